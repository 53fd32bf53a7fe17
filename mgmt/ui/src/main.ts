import '@fontsource-variable/inter/wght.css'
import 'element-plus/theme-chalk/base.css'
import 'element-plus/theme-chalk/dark/css-vars.css'
import 'element-plus/theme-chalk/el-message.css'
import './look.css'
import { ElMessage } from 'element-plus'
import { createPinia } from 'pinia'
import { createApp } from 'vue'
import { Failure } from './api/client'
import App from './App.vue'
import { i18n } from './locales'
import { router } from './router'

const app = createApp(App)
// A request that no form and no list waits for: signing out, say.
app.config.errorHandler = (error) => {
  if (error instanceof Failure) ElMessage.error(error.problem.detail ?? i18n.global.t('failure.other'))
  else console.error(error)
}
app.use(createPinia()).use(i18n).use(router).mount('#app')
