// Every page in both themes and both languages, for whoever changes the interface to look at.
import { mkdirSync } from 'node:fs'
import { changePassword, settled, signIn, stage } from './browser/stage.mjs'

const folder = new URL('../screenshots/', import.meta.url).pathname
const OWN = 'four unrelated wooden words'
const pages = { dashboard: '/', operators: '/operators', 'operators-add': '/operators?open=add', roles: '/roles', 'roles-support': '/roles?open=support', tokens: '/tokens', 'tokens-add': '/tokens?open=add', audit: '/audit', account: '/account', missing: '/nowhere' }

mkdirSync(folder, { recursive: true })
const on = await stage()
try {
  const [name, oneTime] = on.first('admin.password')
  const setup = await (await on.browser.newContext()).newPage()
  await signIn(setup, on.address, name, oneTime)
  await changePassword(setup, oneTime, OWN)
  await setup.waitForURL(`${on.address}/`)
  const headers = { 'x-radiusd': '1' }
  const post = (path, data) => setup.request.post(`${on.address}/api/v1/${path}`, { data, headers })
  await post('operators', { name: 'mira', full_name: 'Mira Lind', email: 'mira@isp.example', role: 'support' })
  await post('operators', { name: 'jun.li', full_name: '李军', role: 'billing' })
  await post('roles', { name: 'Night shift', description: 'Looks after sessions until seven', permissions: ['sessions:read', 'sessions:disconnect'] })
  await post('tokens', { name: 'captive portal', scopes: ['users:read', 'sessions:read'], days: 90 })
  const storageState = await setup.context().storageState()
  for (const theme of ['light', 'dark']) {
    for (const language of ['en', 'zh-CN']) {
      const shot = async (label, path, options = {}) => {
        const context = await on.browser.newContext({ locale: language, colorScheme: theme, reducedMotion: 'reduce', viewport: { width: 1440, height: 900 }, ...options })
        await context.addInitScript((chosen) => Object.entries(chosen).forEach(([key, value]) => localStorage.setItem(key, value)), { theme, language })
        const page = await context.newPage()
        await page.goto(on.address + path)
        await settled(page)
        await page.screenshot({ path: `${folder}${label}-${theme}-${language}.png` })
        await context.close()
      }
      await shot('sign-in', '/sign-in')
      for (const [label, path] of Object.entries(pages)) await shot(label, path, { storageState })
      await shot('dashboard-phone', '/', { storageState, viewport: { width: 390, height: 844 } })
    }
  }
  console.log(`screenshots: ${folder}`)
} finally {
  await on.end()
}
