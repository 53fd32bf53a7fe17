// What a person does first, in a real browser, with the real server.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { after, before, test } from 'node:test'
import { people } from './people.mjs'
import { changePassword, nas, settled, signIn, stage } from './stage.mjs'

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
const OWN = 'four unrelated wooden words'
const HERS = 'seven quiet copper rivers'
let on
let page
let name
let oneTime
let hersOneTime
let fleet
const SECRET = 'as long as it has to be'
const mistakes = []

async function context(options = {}) {
  const made = await on.browser.newContext({ locale: 'en-GB', reducedMotion: 'reduce', ...options })
  const opened = await made.newPage()
  opened.setDefaultTimeout(10_000)
  // A refusal of the content policy shows here, too.
  opened.on('console', (message) => {
    if (message.type() === 'error' && !/status of (40[134]|422)/.test(message.text())) mistakes.push(message.text())
  })
  opened.on('pageerror', (error) => mistakes.push(String(error)))
  opened.on('request', (request) => {
    const url = request.url()
    if (!url.startsWith(on.address) && !url.startsWith('data:')) mistakes.push(`asks elsewhere: ${url}`)
  })
  return opened
}

before(async () => {
  on = await stage()
  ;[name, oneTime] = on.first('admin.password')
  page = await context()
})
after(() => {
  fleet?.end()
  return on?.end()
})

test('the one-time password is good for choosing one', async () => {
  await page.goto(`${on.address}/audit?text=operator`)
  await page.waitForURL(/sign-in.back=/)
  await page.fill('#name', name)
  await page.fill('#password', oneTime)
  await page.click('button[type=submit]')
  await changePassword(page, oneTime, OWN)
  await page.waitForURL(/audit.text=operator$/)
})

test('an operator is added', async () => {
  await page.click('nav >> text=Operators')
  await page.click('button:has-text("Add operator")')
  const drawer = page.getByRole('dialog')
  await drawer.getByRole('button', { name: 'Add operator' }).click()
  await drawer.getByText('1 to 64 letters').waitFor()
  await drawer.getByLabel('Name', { exact: true }).fill('mira')
  await drawer.getByLabel('Full name').fill('Mira Lind')
  await drawer.locator('.el-select').click()
  await page.getByRole('option', { name: 'Read only' }).click()
  await drawer.getByRole('button', { name: 'Add operator' }).click()
  hersOneTime = await page.locator('[data-secret]').innerText()
  await page.click('text=I have kept it')
  await page.locator('td', { hasText: 'Mira Lind' }).waitFor()
})

test('what she may not do is not offered to her', async () => {
  const hers = await context()
  await signIn(hers, on.address, 'mira', hersOneTime)
  await changePassword(hers, hersOneTime, HERS)
  await hers.waitForURL(`${on.address}/`)
  await hers.locator('nav >> text=Operators').click()
  await hers.locator('td', { hasText: 'Mira Lind' }).waitFor()
  assert.equal(await hers.locator('button:has-text("Add operator")').count(), 0)
  assert.equal(await hers.locator('td button').count(), 0)
  assert.equal(await hers.locator('nav >> text=Audit log').count(), 0)
  await hers.goto(`${on.address}/audit`)
  await hers.getByText('You may not see this page').waitFor()
  await hers.context().close()
})

people(() => page)

test('the audit log shows what was done', async () => {
  await page.goto(`${on.address}/audit?action=operator.add`)
  const row = page.locator('tbody tr', { hasText: 'mira' })
  await row.getByRole('button', { name: 'operator.add' }).click()
  await page.getByRole('dialog').getByText('Mira Lind').waitFor()
  assert.match(page.url(), /action=operator\.add.*open=\d+/)
})

test('who knocks unknown is adopted, and a reject explains itself', async () => {
  await on.client('auth', SECRET, 'User-Name=nobody', '--password', 'x', '--tries', '1', '--timeout', '0.3')
  fleet = await nas(SECRET)
  await page.goto(`${on.address}/nas`)
  await page.getByRole('button', { name: 'Adopt: 127.0.0.1' }).click()
  const drawer = page.getByRole('dialog')
  await drawer.getByLabel('Name', { exact: true }).fill('rooftop')
  await drawer.getByLabel('Shared secret').fill(SECRET)
  await drawer.getByLabel('CoA port').fill(String(fleet.port))
  await drawer.getByRole('button', { name: 'Add NAS' }).click()
  await page.locator('td', { hasText: 'rooftop' }).waitFor()
  await page.getByRole('button', { name: 'Set up: rooftop' }).click()
  await page.getByRole('button', { name: 'Show with the secret' }).click()
  await page.locator('pre', { hasText: SECRET }).waitFor()
  let said = ''
  for (let tries = 0; tries < 20 && !said.includes('Access-Reject'); tries++) said = await on.client('auth', SECRET, 'User-Name=nobody', '--password', 'x')
  assert.match(said, /Access-Reject/)
  await page.goto(`${on.address}/attempts`)
  await page.getByRole('button', { name: 'nobody' }).first().click()
  await page.getByText('Why was nobody rejected?').waitFor()
  await page.getByText('no table holds a row for this name').waitFor()
  await page.getByText('Ask again as things are now').click()
  await page.getByRole('button', { name: 'Ask', exact: true }).click()
  await page.getByRole('status').getByText('Access-Reject').waitFor()
})

test('a session appears live and is disconnected by its NAS', async () => {
  await page.goto(`${on.address}/sessions`)
  await page.getByText('Nobody is online').waitFor()
  await page.getByText('Live', { exact: true }).waitFor()
  const record = (status) => on.client('acct', SECRET, `Acct-Status-Type=${status}`, 'User-Name=ann', 'Acct-Session-Id=7', 'NAS-IP-Address=127.0.0.1', 'Framed-IP-Address=10.0.0.7')
  assert.match(await record('Start'), /Accounting-Response/)
  await page.getByRole('button', { name: 'ann' }).click()
  await page.getByRole('button', { name: 'Disconnect', exact: true }).click()
  await page.getByRole('dialog', { name: 'Disconnect ann?' }).getByRole('button', { name: 'Disconnect' }).click()
  await page.getByText('Disconnected (ACK)').waitFor()
  assert.equal(fleet.heard.length, 1)
  await record('Stop')
  await page.keyboard.press('Escape')
  await page.getByText('Nobody is online').waitFor()
  await page.goto(on.address)
  await page.locator('a', { hasText: 'Users online' }).waitFor()
  await page.locator('a', { hasText: 'Unknown user' }).click()
  await page.waitForURL(/reason=unknown-user/)
})

test('a login that has ended leads to the sign-in and back', async () => {
  await page.goto(`${on.address}/roles`)
  await settled(page)
  await page.context().clearCookies()
  await page.click('nav >> text=API tokens')
  await page.getByText('Your login has ended').waitFor()
  await page.fill('#name', name)
  await page.fill('#password', OWN)
  await page.click('button[type=submit]')
  await page.waitForURL('**/tokens')
})

test('axe finds nothing serious, in both themes', async () => {
  const found = []
  const paths = ['/', '/users', '/users?open=add', '/users/lena', '/users/lena?open=contact', '/groups', '/groups?open=group:evening', '/tenants', '/tenants?open=add', '/sessions', '/sessions?state=all&open=1', '/attempts', '/attempts?open=1', '/nas', '/nas?open=add', '/simulator?user=nobody', '/operators', '/operators?open=add', '/roles', '/roles?open=support', '/tokens', '/tokens?open=add', '/audit', '/account', '/nowhere']
  const look = async (at, theme, path) => {
    await settled(at)
    await at.evaluate((one) => document.documentElement.classList.toggle('dark', one === 'dark'), theme)
    await settled(at)
    if (!(await at.evaluate(() => 'axe' in window))) await at.addScriptTag({ path: axe }).catch(() => undefined)
    const { violations } = await at.evaluate(() => window.axe.run())
    const grave = violations.filter((one) => ['serious', 'critical'].includes(one.impact))
    found.push(...grave.map((one) => `${theme} ${path}: ${one.id}: ${one.nodes.map((node) => node.target.join(' ')).join(', ')}`))
  }
  const state = await page.context().storageState()
  const signed = await context({ storageState: state, bypassCSP: true })
  const guest = await context({ bypassCSP: true })
  for (const theme of ['light', 'dark']) {
    await guest.goto(`${on.address}/sign-in`)
    await look(guest, theme, '/sign-in')
    for (const path of paths) {
      await signed.goto(on.address + path)
      await signed.locator('nav').waitFor()
      await look(signed, theme, path)
    }
  }
  assert.deepEqual(found, [])
})

test('nothing was refused by the policy, thrown or asked for elsewhere', () => {
  assert.deepEqual(mistakes, [])
})
