// Users and groups in the browser: added, written with the dictionary, found, disabled.
import assert from 'node:assert/strict'
import { test } from 'node:test'

/** `now` is the page of somebody who may do everything. */
export function people(now) {
  test('a group is added, its rows written with the dictionary', async () => {
    const page = now()
    await page.click('nav >> text=Groups')
    await page.click('button:has-text("Add group")')
    const drawer = page.getByRole('dialog')
    await drawer.getByLabel('Name', { exact: true }).fill('evening')
    await drawer.getByLabel('Attribute 1').fill('Session-Timeout')
    await drawer.getByText(/integer · such as/).waitFor()
    await drawer.getByLabel('Value 1').fill('soon')
    await drawer.getByRole('button', { name: 'Add group' }).click()
    await drawer.getByRole('alert').waitFor()
    await drawer.getByLabel('Value 1').fill('3600')
    await drawer.getByRole('button', { name: 'Add group' }).click()
    await page.locator('td', { hasText: 'evening' }).waitFor()
  })

  test('a user is added, found, disabled and let in again', async () => {
    const page = now()
    await page.locator('nav').getByText('Users', { exact: true }).click()
    await page.click('button:has-text("Add user")')
    const drawer = page.getByRole('dialog')
    await drawer.getByLabel('Name', { exact: true }).fill('lena')
    await drawer.getByLabel('Full name').fill('Lena Vogel')
    await drawer.locator('.el-form-item', { hasText: 'Groups' }).locator('.el-select').click()
    await page.getByRole('option', { name: 'evening' }).click()
    await drawer.getByRole('heading').first().click()
    await drawer.getByRole('button', { name: 'Add user' }).click()
    const password = await page.locator('[data-secret]').innerText()
    await page.click('text=I have kept it')
    await page.getByLabel('Search').fill('vog')
    await page.getByRole('button', { name: 'Filter' }).click()
    await page.getByRole('link', { name: 'lena' }).click()
    await page.waitForURL('**/users/lena')
    await page.getByRole('button', { name: 'Reveal' }).click()
    assert.equal(await page.locator('[data-revealed]').innerText(), password)
    await page.getByRole('button', { name: 'Disable' }).click()
    await page.locator('h1').getByText('Disabled').waitFor()
    await page.getByRole('button', { name: 'Enable' }).click()
    await page.locator('h1').getByText('Enabled').waitFor()
    await page.getByRole('button', { name: 'user.disable' }).waitFor()
  })
}
