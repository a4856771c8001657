// Paired statistics of items that are right or wrong; the methods are those of utils/evaluation/stats.py.
const Z = 1.959963984540054, Z_POWER = 0.8416212335729143; // quantiles of the normal distribution at .975 and .8

// Wilson's 95 % interval of a proportion.
function wilson(hits, n) {
  const share = hits / n, square = (Z * Z) / n;
  const middle = (share + square / 2) / (1 + square);
  const reach = (Z * Math.sqrt((share * (1 - share)) / n + square / (4 * n))) / (1 + square);
  return [hits === 0 ? 0 : middle - reach, hits === n ? 1 : middle + reach];
}

// The 95 % interval of A's accuracy minus B's on the same items (Newcombe 1998, method 10).
function pairedInterval({ both, onlyA, onlyB, neither }) {
  const n = both + onlyA + onlyB + neither;
  const a = (both + onlyA) / n, b = (both + onlyB) / n;
  const [lowA, highA] = wilson(both + onlyA, n), [lowB, highB] = wilson(both + onlyB, n);
  const margins = (both + onlyA) * (onlyB + neither) * (both + onlyB) * (onlyA + neither);
  const product = both * neither - onlyA * onlyB;
  const phi = margins === 0 ? 0 : (product > 0 ? Math.max(product - n / 2, 0) : product) / Math.sqrt(margins);
  const reach = (one, other) => Math.sqrt(Math.max(one ** 2 - 2 * phi * one * other + other ** 2, 0));
  return [a - b - reach(a - lowA, highB - b), a - b + reach(highA - a, b - lowB)];
}

// McNemar's exact two-sided p: twice the smaller tail of the binomial distribution, at most 1.
function mcnemar(onlyA, onlyB) {
  const n = onlyA + onlyB, few = Math.min(onlyA, onlyB);
  if (n === 0) return 1;
  let log = -n * Math.LN2, sum = Math.exp(log); // logarithms, since 2 ** -n underflows for large n
  for (let heads = 1; heads <= few; heads++) {
    log += Math.log((n - heads + 1) / heads);
    sum += Math.exp(log);
  }
  return Math.min(1, 2 * sum);
}

// p-values after Holm's correction for multiple tests, in the order given.
function holm(ps) {
  const order = ps.map((_, place) => place).sort((a, b) => ps[a] - ps[b]);
  const adjusted = [];
  let largest = 0;
  order.forEach((place, rank) => {
    largest = Math.max(largest, ps[place] * (ps.length - rank));
    adjusted[place] = Math.min(1, largest);
  });
  return adjusted;
}

// The smallest difference that n items detect with a power of 80 %, given the share of discordant ones (Connor 1987).
function smallestDifference(n, discordant) {
  const room = n + Z_POWER ** 2 - Z ** 2;
  if (room < 0 || n <= Z ** 2) return null;
  const atShare = (Math.sqrt(discordant) * (Z * Math.sqrt(n) + Z_POWER * Math.sqrt(room))) / (n + Z_POWER ** 2);
  if (atShare <= discordant && discordant > 0) return atShare;
  let low = 0, high = 1; // all discordant items favour one side
  for (let step = 0; step < 60; step++) {
    const share = (low + high) / 2;
    if (share * n - (Z + Z_POWER * Math.sqrt(1 - share)) ** 2 < 0) low = share;
    else high = share;
  }
  return (low + high) / 2;
}

// Counts of items that both, one or neither model has right; bits are packed eight per byte, the first one highest.
function pairedCounts(one, other) {
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const a = bytes(one.right), b = bytes(other.right);
  const ones = (byte) => { let count = 0; for (let left = byte; left; left &= left - 1) count++; return count; };
  let both = 0, onlyA = 0, onlyB = 0;
  for (let place = 0; place < a.length; place++) {
    both += ones(a[place] & b[place]);
    onlyA += ones(a[place] & ~b[place]);
    onlyB += ones(b[place] & ~a[place]);
  }
  return { both, onlyA, onlyB, neither: one.n - both - onlyA - onlyB };
}
