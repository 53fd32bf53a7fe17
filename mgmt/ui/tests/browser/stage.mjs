// A server of one's own on a free port, and a browser to look at it with.
import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { chromium } from 'playwright-core'

const root = resolve(import.meta.dirname, '../../../..')
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => done(port))
    })
  })
}

async function serve() {
  const folder = mkdtempSync(join(tmpdir(), 'radiusd-ui-'))
  const address = `http://127.0.0.1:${await freePort()}`
  const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target')
  const binary = process.env.RADIUSD ?? join(target, 'debug/radiusd')
  const [auth, acct] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`]
  const listen = ['--auth', auth, '--acct', acct, '--http', address.slice(7), '--set', `metrics.listen=127.0.0.1:${await freePort()}`]
  const child = spawn(binary, ['serve', '--data-dir', folder, ...listen], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += data))
  const end = async () => {
    if (child.exitCode === null) {
      const ended = new Promise((done) => child.once('exit', done))
      child.kill('SIGTERM')
      await ended
    }
    rmSync(folder, { recursive: true, force: true })
  }
  const until = Date.now() + 60_000
  for (;;) {
    const answer = await fetch(`${address}/health/ready`).catch(() => null)
    if (answer?.ok) break
    if (child.exitCode !== null || Date.now() > until) {
      await end()
      throw new Error(`the server doesn't answer:\n${said}`)
    }
    await pause(100)
  }
  /** One request as a NAS sends it, by `radiusd client`; what it printed. */
  const client = (kind, secret, ...pairs) =>
    new Promise((done) => execFile(binary, ['client', kind, kind === 'acct' ? acct : auth, secret, ...pairs], (_, out, wrong) => done(out + wrong)))
  return { address, folder, client, end }
}

/** A NAS that takes Disconnect-Request and answers ACK. */
export async function nas(secret) {
  const socket = createSocket('udp4')
  const heard = []
  socket.on('message', (request, from) => {
    heard.push(request)
    const head = Buffer.from([41, request[1], 0, 20])
    const seal = createHash('md5').update(head).update(request.subarray(4, 20)).update(secret).digest()
    socket.send(Buffer.concat([head, seal]), from.port, from.address)
  })
  await new Promise((done) => socket.bind(0, '127.0.0.1', done))
  return { port: socket.address().port, heard, end: () => socket.close() }
}

export async function stage() {
  const server = await serve()
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
  const browser = await chromium.launch({ executablePath, headless: true, args: FLAGS })
  const end = async () => {
    await browser.close()
    await server.end()
  }
  /** The administrator's name and one-time password. */
  const first = (file) => readFileSync(join(server.folder, file), 'utf8').trim().split('\n')
  return { browser, address: server.address, folder: server.folder, client: server.client, first, end }
}

export async function signIn(page, address, name, password) {
  await page.goto(`${address}/sign-in`)
  await page.fill('#name', name)
  await page.fill('#password', password)
  await page.click('button[type=submit]')
}

export async function changePassword(page, current, fresh) {
  await page.waitForURL(/new-password/)
  await page.fill('#current', current)
  await page.fill('#new', fresh)
  await page.fill('#again', fresh)
  await page.click('button[type=submit]')
}

/** Nothing is being asked for or moved any more. */
export async function settled(page) {
  await page.waitForLoadState('networkidle')
  await page.waitForFunction(() => !document.querySelector('[aria-busy=true]'))
  await page.evaluate(() => document.fonts.ready)
  await page.waitForFunction(() => document.getAnimations().every((one) => one.playState !== 'running'))
}
