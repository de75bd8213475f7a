// A typed fetch: paths, parameters and answers are those of the gateway's own document.
import type { components, paths } from "./api";

export type Problem = components["schemas"]["Problem"];
type Get<P extends keyof paths> = paths[P]["get"];
type Json<O> = O extends { responses: { 200: { content: { "application/json": infer A } } } } ? A : never;
type InPath<O> = O extends { parameters: { path: infer P } } ? P : Record<string, never>;

/** What came: the page, and the names of the parts that did not. */
export interface Shown<T> { page: T; missing: string[] }

export class Refused extends Error {
  constructor(readonly problem: Problem) { super(problem.detail); }
}

export async function get<P extends keyof paths>(
  gateway: string, path: P, values: InPath<Get<P>>, token?: string,
): Promise<Shown<Json<Get<P>>>> {
  const filled = String(path).replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String((values as Record<string, unknown>)[name])));
  const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
  const answer = await fetch(gateway + filled, { headers });
  if (!answer.ok) throw new Refused(await answer.json() as Problem);
  const missing = answer.headers.get("bff-missing")?.split(", ") ?? [];
  return { page: await answer.json() as Json<Get<P>>, missing };
}
