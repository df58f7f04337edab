/**
 * Arrays as PostgreSQL's binary parameters: the driver's own arrays are texts, in which every payload would be quoted here and
 * unquoted there. The format is that of `array_recv`: dimensions, whether it has nulls, the elements' type, the length and the
 * lower bound, then each element behind its length; -1 is null.
 */

const OID = { bool: 16, bytea: 17, int8: 20, int2: 21, int4: 23, text: 25, float8: 701 } as const

type Nullable<Value> = readonly (Value | undefined)[]

/** An array of which every element has the same size. */
function fixed<Value>(oid: number, size: number, write: (to: Buffer, value: Value, at: number) => void) {
  return (values: Nullable<Value>): Buffer => {
    const array = header(oid, values, size * values.length)
    let at = HEADER_BYTES
    for (const value of values) {
      at = array.writeInt32BE(value === undefined ? -1 : size, at)
      if (value === undefined) continue
      write(array, value, at)
      at += size
    }
    return array.subarray(0, at)
  }
}

const HEADER_BYTES = 20

function header(oid: number, values: Nullable<unknown>, contentBytes: number): Buffer {
  if (values.length === 0) {
    const empty = Buffer.alloc(12)
    empty.writeInt32BE(oid, 8)
    return empty
  }
  const array = Buffer.allocUnsafe(HEADER_BYTES + 4 * values.length + contentBytes)
  array.writeInt32BE(1, 0)
  array.writeInt32BE(1, 4)
  array.writeInt32BE(oid, 8)
  array.writeInt32BE(values.length, 12)
  array.writeInt32BE(1, 16)
  return array
}

export const boolArray = fixed<boolean>(OID.bool, 1, (to, value, at) => to.writeUInt8(value ? 1 : 0, at))
export const int2Array = fixed<number>(OID.int2, 2, (to, value, at) => to.writeInt16BE(value, at))
export const int4Array = fixed<number>(OID.int4, 4, (to, value, at) => to.writeInt32BE(value, at))
export const int8Array = fixed<bigint>(OID.int8, 8, (to, value, at) => to.writeBigInt64BE(value, at))
export const float8Array = fixed<number>(OID.float8, 8, (to, value, at) => to.writeDoubleBE(value, at))

export function textArray(values: Nullable<string>): Buffer {
  // A UTF-16 unit is three bytes of UTF-8 at most.
  let units = 0
  for (const value of values) units += value?.length ?? 0
  const array = header(OID.text, values, 3 * units)
  if (values.length === 0) return array
  let at = HEADER_BYTES
  for (const value of values) {
    const bytes = value === undefined ? -1 : array.write(value, at + 4)
    array.writeInt32BE(bytes, at)
    at += 4 + Math.max(bytes, 0)
  }
  return array.subarray(0, at)
}

export function byteaArray(values: Nullable<Buffer>): Buffer {
  const array = header(
    OID.bytea,
    values,
    values.reduce((sum, value) => sum + (value?.length ?? 0), 0),
  )
  if (values.length === 0) return array
  let at = HEADER_BYTES
  for (const value of values) {
    at = array.writeInt32BE(value === undefined ? -1 : value.length, at)
    if (value) at += value.copy(array, at)
  }
  return array.subarray(0, at)
}

/** The array, or nothing where no element is other than undefined: the functions take that for an array of nulls. */
export function unlessEmpty<Value>(
  values: Nullable<Value>,
  encode: (values: Nullable<Value>) => Buffer,
): Buffer | undefined {
  return values.some((value) => value !== undefined) ? encode(values) : undefined
}
