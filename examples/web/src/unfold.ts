// A page as it unfolds: what is there is shown at once, and again with every part that comes.
import { Refused, filled, whole, type Get, type InPath, type Json, type Shown } from "./client.js";
import type { components, paths } from "./api";

type Record = components["schemas"]["UnfoldingPart"] | components["schemas"]["UnfoldingEnd"];

export async function unfold<P extends keyof paths>(
  gateway: string, path: P, values: InPath<Get<P>>, show: (soFar: Partial<Json<Get<P>>>) => void,
): Promise<Shown<Json<Get<P>>>> {
  const headers = { accept: "application/x-ndjson, application/json;q=0.5" };
  const answer = await fetch(gateway + filled(path, values), { headers });
  if (answer.body === null || !answer.headers.get("content-type")?.includes("ndjson")) return whole(answer);
  const page: { [part: string]: unknown } = {};
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ;) {
    const { value, done } = await reader.read();
    if (done) throw new TypeError("the answer broke off");
    const lines = (text + value).split("\n");
    text = lines.pop() ?? "";
    for (const record of lines.map((line) => JSON.parse(line) as Record)) {
      if ("part" in record) show({ ...Object.assign(page, { [record.part]: record.value }) } as typeof page & Json<Get<P>>);
      else if (record.problem) throw new Refused(record.problem);
      else return { page: page as Json<Get<P>>, missing: record.missing };
    }
  }
}
