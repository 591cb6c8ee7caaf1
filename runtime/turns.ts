/**
 * Changes one at a time, in the order they are asked for. One that fails is its caller's matter: the
 * next is made all the same.
 *
 * @module
 */
export function turns(): <T>(change: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (change) => {
    const result = last.then(change);
    last = result.catch(() => {});
    return result;
  };
}
