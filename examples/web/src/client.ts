// A typed fetch: paths, parameters and answers are those of the gateway's own document.
import type { components, paths } from "./api";

export type Problem = components["schemas"]["Problem"];
export type Get<P extends keyof paths> = paths[P]["get"];
export type Json<O> = O extends { responses: { 200: { content: { "application/json": infer A } } } } ? A : never;
export type InPath<O> = O extends { parameters: { path: infer P } } ? P : Record<string, never>;

/** What came: the page, and the names of the parts that did not. */
export interface Shown<T> { page: T; missing: string[] }

export class Refused extends Error {
  constructor(readonly problem: Problem) { super(problem.detail); }
}

export function filled(path: string, values: Record<string, unknown>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(values[name])));
}

export async function get<P extends keyof paths>(
  gateway: string, path: P, values: InPath<Get<P>>, token?: string,
): Promise<Shown<Json<Get<P>>>> {
  const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
  return whole(await fetch(gateway + filled(path, values), { headers }));
}

export async function whole<T>(answer: Response): Promise<Shown<T>> {
  if (!answer.ok) throw new Refused(await answer.json() as Problem);
  const missing = answer.headers.get("bff-missing")?.split(", ") ?? [];
  return { page: await answer.json() as T, missing };
}
