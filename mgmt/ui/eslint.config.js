import vue from 'eslint-plugin-vue'
import ts from 'typescript-eslint'

export default ts.config(
  { ignores: ['dist', 'node_modules', 'src/api/schema.d.ts', 'screenshots'] },
  ...ts.configs.recommended,
  ...vue.configs['flat/essential'],
  { files: ['**/*.vue'], languageOptions: { parserOptions: { parser: ts.parser } } },
  {
    rules: {
      'vue/multi-word-component-names': 'off',
      'vue/no-v-html': 'error',
      'no-restricted-globals': ['error', { name: 'fetch', message: 'api/client.ts is the only one that fetches.' }],
      'max-lines': ['error', { max: 200 }],
    },
  },
  { files: ['src/api/client.ts', 'tests/**'], rules: { 'no-restricted-globals': 'off' } },
)
