// The only place that fetches.
import createClient from 'openapi-fetch'
import type { components, paths } from './schema'

export type Schemas = components['schemas']
export type Me = Schemas['Me']
export type Operator = Schemas['Operator']
export type Role = Schemas['Role']
export type UserInList = Schemas['UserInList']
export type User = Schemas['User']
export type BulkAction = Schemas['BulkAction']
export type PasswordForm = Schemas['PasswordForm']
export type PasswordFormHelp = Schemas['PasswordFormHelp']
export type GroupInList = Schemas['GroupInList']
export type Group = Schemas['Group']
export type Attribute = Schemas['Attribute']
export type Tenant = Schemas['Tenant']
export type Token = Schemas['Token']
export type Entry = Schemas['Entry']
export type Login = Schemas['Login']
export type Session = Schemas['Session']
export type Attempt = Schemas['Attempt']
export type ExplainedAttempt = Schemas['ExplainedAttempt']
export type Nas = Schemas['Nas']
export type Stranger = Schemas['Stranger']
export type Snippet = Schemas['Snippet']
export type Simulated = Schemas['Simulated']
export type NasAnswer = Schemas['NasAnswer']
export type Overview = Schemas['Overview']
export type Permission = Schemas['Permission']
export type Problem = Schemas['Problem']

/** What the server, or the way to it, had to say against a request. */
export class Failure extends Error {
  constructor(
    readonly status: number,
    readonly problem: Partial<Problem>,
    readonly retryAfter: number | null = null,
  ) {
    super(problem.detail ?? problem.title ?? String(status))
  }

  get isSecondFactor(): boolean {
    return this.problem.type === '/problems/second-factor'
  }

  field(name: string): string | undefined {
    return this.problem.fields?.find((field) => field.field === name)?.detail
  }
}

// A change with a cookie names this header: no foreign page can have a browser send it.
export const api = createClient<paths>({ headers: { 'x-radiusd': '1' } })

let lost: () => void = () => undefined

/** Says what happens when the login has ended meanwhile. */
export function onLoginLost(then: () => void): void {
  lost = then
}

interface Answer<T> {
  data?: T
  error?: unknown
  response: Response
}

async function answered<T>(asked: Promise<Answer<T>>): Promise<Answer<T>> {
  let answer: Answer<T>
  try {
    answer = await asked
  } catch {
    throw new Failure(0, {})
  }
  const { error, response } = answer
  if (response.ok) return answer
  if (response.status === 401 && new URL(response.url).pathname !== '/api/v1/login') lost()
  const problem = typeof error === 'object' && error !== null ? (error as Partial<Problem>) : {}
  throw new Failure(response.status, problem, Number(response.headers.get('retry-after')) || null)
}

/** The answer, or a `Failure` is thrown. */
export async function ask<T>(asked: Promise<Answer<T>>): Promise<T> {
  return (await answered(asked)).data as T
}

/** The answer and the tag that says which version it is. */
export async function askTagged<T>(asked: Promise<Answer<T>>): Promise<{ data: T; etag: string | null }> {
  const { data, response } = await answered(asked)
  return { data: data as T, etag: response.headers.get('etag') }
}

export type State = 'ok' | 'degraded' | 'down'

export interface Part {
  name: string
  state: State
  detail?: string
  numbers?: Record<string, number>
}

/** As /health/ready answers: for probes, so it stands in no document of the API. */
export interface Health {
  status: State
  version: string
  uptime_seconds: number
  parts: Part[]
}

export async function readHealth(): Promise<Health> {
  const response = await fetch('/health/ready', { cache: 'no-store' })
  // 503 tells which part is down.
  if (!response.ok && response.status !== 503) throw new Failure(response.status, {})
  return (await response.json()) as Health
}

export type Happening = 'session.begun' | 'session.updated' | 'session.ended' | 'attempt' | 'lost'

/** Calls for each of these events as they happen, until what it returns is called. */
export function listen(kinds: readonly Happening[], then: (kind: Happening) => void, state: (live: boolean) => void): () => void {
  // The browser connects again by itself; not after a refusal, and then the page is as it was.
  const source = new EventSource('/api/v1/events')
  source.addEventListener('hello', () => state(true))
  source.addEventListener('error', () => state(false))
  for (const kind of kinds) source.addEventListener(kind, () => then(kind))
  return () => source.close()
}
