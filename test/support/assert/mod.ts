/**
 * The part of `@std/assert` that the tests use, over `node:assert/strict`.
 *
 * It stands in where JSR is not reached: remove `"links"` from deno.json to use the real package.
 *
 * @module
 */
import { strict } from "node:assert";

/** Throws unless `expression` is truthy. */
export function assert(expression: unknown, message?: string): asserts expression {
  strict.ok(expression, message);
}

/** Throws unless both are deeply equal, prototypes included. */
export function assertEquals<T>(actual: T, expected: T, message?: string): void {
  strict.deepEqual(actual, expected, message);
}

/** Throws unless `actual` matches `expected`. */
export function assertMatch(actual: string, expected: RegExp, message?: string): void {
  strict.match(actual, expected, message);
}

/** Throws unless `actual` contains `expected`. */
export function assertStringIncludes(actual: string, expected: string, message?: string): void {
  strict.ok(
    actual.includes(expected),
    message ?? `expected ${JSON.stringify(actual)} to contain ${JSON.stringify(expected)}`,
  );
}

/** Throws unless `fn` throws; returns what it threw. */
export function assertThrows(fn: () => unknown): unknown {
  try {
    fn();
  } catch (error) {
    return error;
  }
  throw new strict.AssertionError({ message: "expected a throw" });
}

/** Throws unless the promise is rejected; resolves to what it was rejected with. */
export async function assertRejects(fn: () => Promise<unknown>): Promise<unknown> {
  try {
    await fn();
  } catch (error) {
    return error;
  }
  throw new strict.AssertionError({ message: "expected a rejection" });
}
