'use strict';
(() => {
  const root = document.documentElement
  const langButton = document.getElementById('lang')
  const titles = [...document.querySelectorAll('title[data-zh]')].map(t => { // "ok: 12": words, and a number or more
    const [en, ...rest] = t.textContent.split(/(: (?=[+0-9]))/)
    return { t, en, zh: t.dataset.zh, rest: rest.join('') }
  })
  const setLang = lang => {
    for (const { t, en, zh, rest } of titles) t.textContent = (lang === 'zh' ? zh : en) + rest
    root.dataset.lang = lang
    root.lang = lang === 'zh' ? 'zh-CN' : 'en'
    langButton.textContent = lang === 'zh' ? 'English' : '中文'
    langButton.lang = lang === 'zh' ? 'en-GB' : 'zh-CN' // not 'en': that would hide it
  }
  setLang((navigator.language || '').startsWith('zh') ? 'zh' : 'en')
  langButton.onclick = () => setLang(root.dataset.lang === 'zh' ? 'en' : 'zh')
  document.getElementById('theme').onclick = () => {
    const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches
    root.dataset.theme = dark ? 'light' : 'dark'
  }
  for (const input of document.querySelectorAll('input[data-table]')) {
    input.oninput = () => {
      const words = input.value.toLowerCase()
      for (const row of document.getElementById(input.dataset.table).tBodies[0].rows)
        row.hidden = !row.textContent.toLowerCase().includes(words)
    }
  }
  const valueOf = cell => {
    const text = cell.textContent.trim()
    if (!cell.classList.contains('n')) return text
    return text === '–' ? -1 : Number(text.replace(/[^0-9.-]/g, ''))
  }
  for (const button of document.querySelectorAll('th button')) {
    button.onclick = () => {
      const th = button.parentElement
      const down = th.getAttribute('aria-sort') === 'descending' ||
        (!th.hasAttribute('aria-sort') && !th.classList.contains('n'))
      for (const other of th.parentElement.children) other.removeAttribute('aria-sort')
      th.setAttribute('aria-sort', down ? 'ascending' : 'descending')
      const body = th.closest('table').tBodies[0]
      const rows = [...body.rows].map(row => ({ row, value: valueOf(row.cells[th.cellIndex]) }))
      rows.sort((a, b) => {
        const order = typeof a.value === 'number' && typeof b.value === 'number' ? a.value - b.value
          : String(a.value).localeCompare(String(b.value))
        return down ? order : -order
      })
      body.append(...rows.map(r => r.row))
    }
  }
})()
