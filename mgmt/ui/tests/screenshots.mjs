// Every page in both themes and both languages, for whoever changes the interface to look at.
import { mkdirSync } from 'node:fs'
import { changePassword, nas, settled, signIn, stage } from './browser/stage.mjs'

const folder = new URL('../screenshots/', import.meta.url).pathname
const OWN = 'four unrelated wooden words'
const SECRET = 'as long as it has to be'
const pages = { dashboard: '/', users: '/users', 'users-add': '/users?open=add', user: '/users/maria.k', 'user-contact': '/users/maria.k?open=contact', groups: '/groups', group: '/groups?open=group:business', tenants: '/tenants', sessions: '/sessions', 'sessions-open': '/sessions?open=1', attempts: '/attempts', 'attempts-open': '/attempts?open=2', nas: '/nas', 'nas-add': '/nas?open=add', simulator: '/simulator?user=ann', operators: '/operators', 'operators-add': '/operators?open=add', roles: '/roles', 'roles-support': '/roles?open=support', tokens: '/tokens', 'tokens-add': '/tokens?open=add', audit: '/audit', account: '/account', missing: '/nowhere' }

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
  const rows = [{ attribute: 'Mikrotik-Rate-Limit', op: '=', value: '50M/10M' }, { attribute: 'Session-Timeout', op: '=', value: '86400' }]
  await post('groups', { name: 'home-50', reply: rows })
  await post('groups', { name: 'business', check: [{ attribute: 'Simultaneous-Use', op: ':=', value: '4' }], reply: rows })
  const groups = [{ group: 'home-50', priority: 1 }]
  await post('users', { name: 'maria.k', full_name: 'Maria Kovač', company: 'Plaza', email: 'maria@isp.example', phone: '+386 1 555', tags: ['vip'], notes: 'Calls in the evening.', groups, check: [{ attribute: 'Simultaneous-Use', op: ':=', value: '2' }] })
  await post('users', { name: 'jun.li', full_name: '李军', groups, tags: ['campus'] })
  await post('users', { name: 't.brandt', full_name: 'Tom Brandt', disabled: true })
  await post('users', { name: '48-2C-A0-11-9F-02', account: 'mac', full_name: 'Camera 7' })
  await post('tenants', { name: 'North', description: 'Reseller for the northern valleys' })
  const fleet = await nas(SECRET)
  await on.client('auth', 'nobody knows it', 'User-Name=ann', '--password', 'x', '--tries', '2', '--timeout', '0.2')
  await post('nas', { address: '127.0.0.1', name: 'rooftop', type: 'mikrotik', secret: SECRET, coa_port: fleet.port })
  for (const name of ['ann', 'bob', 'carla', 'dmitri']) {
    await on.client('auth', SECRET, `User-Name=${name}`, '--password', 'x', `Calling-Station-Id=02-00-5E-00-53-0${name.length}`)
    await on.client('acct', SECRET, 'Acct-Status-Type=Interim-Update', `User-Name=${name}`, `Acct-Session-Id=${name}`, 'NAS-IP-Address=127.0.0.1', `Framed-IP-Address=100.64.0.${name.length}`, `Calling-Station-Id=02-00-5E-00-53-0${name.length}`, `Acct-Session-Time=${name.length * 977}`, `Acct-Input-Octets=${name.length * 7_654_321}`, `Acct-Output-Octets=${name.length * 87_654_321}`)
  }
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
      await shot('user-phone', '/users/maria.k', { storageState, viewport: { width: 390, height: 844 } })
      await shot('dashboard-phone', '/', { storageState, viewport: { width: 390, height: 844 } })
    }
  }
  console.log(`screenshots: ${folder}`)
  fleet.end()
} finally {
  await on.end()
}
