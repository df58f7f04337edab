import { expect, test } from 'vitest'
import { boolArray, byteaArray, float8Array, int2Array, int8Array, textArray, unlessEmpty } from './array-params.ts'

/** The elements of a binary array as the server reads them; null where it has none. */
function read(array: Buffer): { readonly oid: number; readonly elements: (Buffer | null)[] } {
  const [dimensions, oid] = [array.readInt32BE(0), array.readInt32BE(8)]
  const elements: (Buffer | null)[] = []
  if (dimensions === 0) {
    expect(array.length).toBe(12)
    return { oid, elements }
  }
  let at = 20
  while (at < array.length) {
    const length = array.readInt32BE(at)
    elements.push(length < 0 ? null : array.subarray(at + 4, at + 4 + length))
    at += 4 + Math.max(0, length)
  }
  expect(elements).toHaveLength(array.readInt32BE(12))
  expect(array.readInt32BE(16)).toBe(1)
  return { oid, elements }
}

test('texts of all kinds, with gaps', () => {
  const texts = ['a', undefined, '', 'ü€🏞', '{"quoted": "\\\\"}', 'x'.repeat(10_000)]
  const { oid, elements } = read(textArray(texts))
  expect(oid).toBe(25)
  expect(elements.map((element) => element?.toString())).toEqual(texts)
})

test('numbers, truths and bytes', () => {
  expect(read(int8Array([2n ** 62n, -1n])).elements.map((element) => element?.readBigInt64BE())).toEqual([
    2n ** 62n,
    -1n,
  ])
  expect(read(int2Array([0, 4])).elements.map((element) => element?.readInt16BE())).toEqual([0, 4])
  expect(
    read(float8Array([0.5, undefined, Number.POSITIVE_INFINITY])).elements.map((one) => one?.readDoubleBE()),
  ).toEqual([0.5, undefined, Number.POSITIVE_INFINITY])
  expect(read(boolArray([true, undefined, false])).elements.map((element) => element?.readUInt8())).toEqual([
    1,
    undefined,
    0,
  ])
  expect(read(byteaArray([Buffer.from('ab'), undefined])).elements).toEqual([Buffer.from('ab'), null])
})

test('an empty array, and none at all', () => {
  expect(read(textArray([]))).toEqual({ oid: 25, elements: [] })
  expect(unlessEmpty([undefined, undefined], textArray)).toBeUndefined()
  expect(unlessEmpty([], textArray)).toBeUndefined()
  expect(unlessEmpty([undefined, 'a'], textArray)).toEqual(textArray([undefined, 'a']))
})
