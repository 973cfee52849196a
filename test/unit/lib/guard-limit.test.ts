import { test } from 'tap'
import { parseGuard } from '../../../src/lib/guard-limit.ts'

void test('a limit is a percentage or off', async (t) => {
  const good = { '10%': 10, '10': 10, '2.5%': 2.5, ' 10 % ': 10, '1000': 1000, off: 0 }
  for (const [text, percent] of Object.entries(good)) t.equal(parseGuard(text), percent, text)
  for (const text of ['', '0', '0.5%', '-1', '1001', '1e2', 'on', 'true', 'false', '10%%', '%']) {
    t.equal(parseGuard(text), undefined, text)
  }
})
