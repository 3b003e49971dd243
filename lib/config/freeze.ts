/** A map that is filled once. */
export class FrozenMap<K, V> extends Map<K, V> {
  constructor(entries: Iterable<readonly [K, V]>) {
    super();
    for (const [key, value] of entries) super.set(key, value);
    Object.freeze(this);
  }

  override set(): never {
    throw new TypeError("a configuration cannot be changed");
  }

  override delete(): never {
    throw new TypeError("a configuration cannot be changed");
  }

  override clear(): never {
    throw new TypeError("a configuration cannot be changed");
  }
}

/** Freezes an object with everything that it holds, the values of its maps included. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Map) for (const item of value.values()) deepFreeze(item);
  if (Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const item of Object.values(value)) deepFreeze(item);
  return value;
}
