// Every page with its permission and its place in the menu: one table.
import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router'
import { onLoginLost } from './api/client'
import { useSession } from './stores/session'

declare module 'vue-router' {
  interface RouteMeta {
    /** Shown without a login. */
    open?: boolean
    /** Without the frame around it. */
    bare?: boolean
    permission?: string
    group?: 'dashboard' | 'subscribers' | 'network' | 'policies' | 'sessions' | 'system'
  }
}

type Load = () => Promise<unknown>
const page = (path: string, name: string, load: Load, meta: RouteRecordRaw['meta'] = {}) =>
  ({ path, name, component: load, meta }) as RouteRecordRaw

export const pages: RouteRecordRaw[] = [
  page('/', 'dashboard', () => import('./pages/dashboard/DashboardPage.vue'), { group: 'dashboard' }),
  page('/users', 'users', () => import('./pages/users/UserList.vue'), { group: 'subscribers', permission: 'users:read' }),
  page('/groups', 'groups', () => import('./pages/groups/GroupList.vue'), { group: 'subscribers', permission: 'groups:read' }),
  page('/nas', 'nas', () => import('./pages/nas/NasList.vue'), { group: 'network', permission: 'nas:read' }),
  page('/simulator', 'simulator', () => import('./pages/simulator/SimulatorPage.vue'), { group: 'policies', permission: 'attempts:read' }),
  page('/sessions', 'sessions', () => import('./pages/sessions/SessionList.vue'), { group: 'sessions', permission: 'sessions:read' }),
  page('/attempts', 'attempts', () => import('./pages/attempts/AttemptList.vue'), { group: 'sessions', permission: 'attempts:read' }),
  page('/operators', 'operators', () => import('./pages/operators/OperatorList.vue'), { group: 'system', permission: 'operators:read' }),
  page('/roles', 'roles', () => import('./pages/roles/RoleList.vue'), { group: 'system', permission: 'operators:read' }),
  page('/tenants', 'tenants', () => import('./pages/tenants/TenantList.vue'), { group: 'system', permission: 'tenants:read' }),
  page('/tokens', 'tokens', () => import('./pages/tokens/TokenList.vue'), { group: 'system', permission: 'tokens:read' }),
  page('/audit', 'audit', () => import('./pages/audit/AuditList.vue'), { group: 'system', permission: 'audit:read' }),
  page('/account', 'account', () => import('./pages/account/OwnAccount.vue')),
]

const others: RouteRecordRaw[] = [
  page('/users/:name', 'user', () => import('./pages/users/UserPage.vue'), { permission: 'users:read' }),
  page('/sign-in', 'sign-in', () => import('./pages/login/SignIn.vue'), { open: true, bare: true }),
  page('/new-password', 'new-password', () => import('./pages/login/NewPassword.vue'), { bare: true }),
  page('/:rest(.*)*', 'not-found', () => import('./pages/NotFound.vue')),
]

export const router = createRouter({ history: createWebHistory(), routes: [...pages, ...others] })

/** Where to go after sign-in: an address of ours, or the dashboard. */
export function backOf(back: unknown): string {
  return typeof back === 'string' && /^\/(?![/\\])/.test(back) ? back : '/'
}

router.beforeEach(async (to) => {
  const session = useSession()
  if (!session.asked) await session.load()
  const back = to.fullPath === '/' ? undefined : to.fullPath
  if (!session.me) return to.meta.open ? true : { name: 'sign-in', query: { back } }
  if (session.me.must_change_password) return to.name === 'new-password' ? true : { name: 'new-password', query: { back: to.meta.open ? to.query.back : back } }
  if (to.name === 'sign-in' || to.name === 'new-password') return backOf(to.query.back)
  return true
})

onLoginLost(() => {
  useSession().forget()
  const here = router.currentRoute.value
  if (!here.meta.open) void router.push({ name: 'sign-in', query: { back: here.fullPath, lost: '1' } })
})
