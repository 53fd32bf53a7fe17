import { afterEach, expect, test, vi } from 'vitest'
import { ask, Failure, onLoginLost } from '../src/api/client'

function answer(status: number, body: unknown, headers: Record<string, string> = {}, path = '/api/v1/roles') {
  const response = new Response(null, { status, headers })
  Object.defineProperty(response, 'url', { value: `http://localhost${path}` })
  return Promise.resolve(status < 400 ? { data: body, response } : { error: body, response })
}

afterEach(() => onLoginLost(() => undefined))

test('a problem names its fields', async () => {
  const problem = { type: 'about:blank', title: 'Unprocessable', status: 422, fields: [{ field: 'name', detail: 'is taken' }] }
  const failure = await ask(answer(422, problem)).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(Failure)
  expect((failure as Failure).field('name')).toBe('is taken')
  expect((failure as Failure).field('role')).toBeUndefined()
})

test('what is no problem document is a failure all the same', async () => {
  await expect(ask(answer(502, 'Bad gateway'))).rejects.toMatchObject({ status: 502, problem: {} })
  await expect(ask(Promise.reject(new TypeError('network')))).rejects.toMatchObject({ status: 0 })
  await expect(ask(answer(429, {}, { 'retry-after': '7' }))).rejects.toMatchObject({ retryAfter: 7 })
})

test('a login that has ended is told, a wrong password is not', async () => {
  const lost = vi.fn()
  onLoginLost(lost)
  await expect(ask(answer(401, {}, {}, '/api/v1/login'))).rejects.toBeInstanceOf(Failure)
  expect(lost).not.toHaveBeenCalled()
  await expect(ask(answer(401, {}))).rejects.toBeInstanceOf(Failure)
  expect(lost).toHaveBeenCalledOnce()
})
