import { deepStrictEqual, equal } from 'node:assert/strict'
import * as fc from 'fast-check'
import { test } from 'tap'
import { withoutManagedFields } from '../../../../../src/sources/kubernetes/client/managed-fields.ts'

const without = (json: string): string => withoutManagedFields(Buffer.from(json))

/** Misleading content: quotes, brackets, the name itself. */
const text = fc.oneof(
  fc.string(),
  fc
    .array(fc.constantFrom('"', '\\', '[', ']', 'managedFields', ':[', 'é'))
    .map((all) => all.join('')),
)
const value = fc.jsonValue()
const fieldsV1 = fc.dictionary(text, fc.oneof(text, fc.array(text), fc.dictionary(text, text)))
const object = fc.record({
  metadata: fc.record({ name: text, annotations: fc.dictionary(text, text) }),
  managedFields: fc.option(fc.array(fc.record({ fieldsV1 })), { nil: undefined }),
  spec: value,
})

void test('of any list all is left but the managed fields', async () => {
  fc.assert(
    fc.property(fc.array(object), (items) => {
      const expected = items.map(({ managedFields, ...rest }) =>
        managedFields ? { ...rest, managedFields: [] } : rest,
      )
      const lost: unknown = JSON.parse(without(JSON.stringify({ items })))
      deepStrictEqual(lost, JSON.parse(JSON.stringify({ items: expected })))
    }),
  )
})

void test('what was cut short does not become whole', async () => {
  fc.assert(
    fc.property(fc.array(object), fc.nat(), (items, at) => {
      const json = JSON.stringify({ items })
      const cut = json.slice(0, at % json.length)
      let isJson = true
      try {
        JSON.parse(without(cut))
      } catch {
        isJson = false
      }
      equal(isJson, false, cut)
    }),
  )
})
