/** Which addresses count as one network, and which address a proxy header stands for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkOf, sourceOf } from '../../src/limits/network.ts';
import { send, withApp } from '../support/app.ts';
import { Simulation } from '../support/attack-simulation.ts';
import { inTurn } from '../support/limits.ts';

test('better-auth before 1.4.17 (CVE-2026-45364): an address counts as one however it is written', async () => {
  const rows: readonly [network: string, addresses: readonly string[]][] = [
    ['1.2.3.4', [
      '1.2.3.4',
      '::ffff:1.2.3.4',
      '::FFFF:1.2.3.4',
      '::ffff:102:304',
      '1.2.3.4:5678',
      '[::ffff:1.2.3.4]:443',
      '0:0:0:0:0:ffff:0102:0304',
    ]],
    ['2001:db8:0:1::/64', [
      '2001:db8:0:1::1',
      '2001:DB8:0:1::1',
      '2001:0db8:0000:0001:0000:0000:0000:0001',
      '2001:db8:0:1:ffff:ffff:ffff:ffff',
      '2001:db8::1:1:2:3:4',
      '2001:db8:0:1::1%eth0',
      '[2001:db8:0:1::1]:443',
      '[2001:db8:0:1::2]',
      '2001:db8:0:1:0:0:1.2.3.4',
    ]],
    ['2001:db8:0:2::/64', ['2001:db8:0:2::1']],
    ['0:0:0:0::/64', ['::1', '::', '::1.2.3.4']],
    ['fe80:0:0:0::/64', ['fe80::1', 'fe80::1%en0', 'fe80::ffff:1.2.3.4']],
    ['ffff:0:0:0::/64', ['ffff::']],
    ['disconnected', ['disconnected']],
    // Not an address with a port.
    ['2001:db8:1:4::/64', ['2001:db8:1:4:1:2:3:80']],
    ...['[]', '[::1]:', '[a]b]', ':80', '1.2.3.4:', '01.2.3.4'].map((text): [string, string[]] => {
      return [text, [text]];
    }),
    ['unix%a', ['unix%a']],
    ['unix%b', ['unix%b']],
    ['x'.repeat(64), ['x'.repeat(64), 'x'.repeat(65), 'x'.repeat(100_000)]],
  ];
  for (const [network, addresses] of rows) {
    for (const one of addresses) assert.equal(networkOf(one), network, one);
  }
  const simulation = new Simulation({ triesPerAddress: 1 });
  assert.equal(await simulation.guess('a', '2001:db8::1'), true);
  assert.equal(await simulation.guess('b', '2001:DB8:0:0:ffff::'), false);
  assert.equal(await simulation.guess('b', '2001:db8:0:1::1'), true);
});

/** What two clients send, and whether they count as one network. */
type ForwardedCase = readonly [
  trustProxy: number | undefined,
  headers: readonly string[],
  isSame: boolean,
];

test('X-Forwarded-For is trusted for `trustProxy` hops, counted from the right', async () => {
  const rows: readonly ForwardedCase[] = [
    [undefined, ['10.0.0.1', '10.0.0.2'], true],
    [0, ['10.0.0.1', '10.0.0.2'], true],
    [1, ['10.0.0.1', '10.0.0.2'], false],
    [1, ['10.0.0.1, 10.0.0.9', '10.0.0.2, 10.0.0.9'], true],
    [1, ['10.0.0.1,10.0.0.9:1234', '10.0.0.2 ,\t10.0.0.9 '], true],
    [2, ['10.0.0.1, 10.0.0.9', '10.0.0.2, 10.0.0.9'], false],
    [2, ['6.6.6.6, 10.0.0.1, 10.0.0.8', '7.7.7.7, 10.0.0.1, 10.0.0.9'], true],
    // A client that bypasses the outer proxy: the inner one adds its address.
    [2, ['10.0.0.1', '10.0.0.2'], false],
    [1, ['[2001:db8::1]:443', '2001:db8::2'], true],
    [1, ['[2001:db8::1]', '2001:db8:0:1::1'], false],
    [1, ['[2001:db8::1]', '2001:db8::2'], true],
    [1, ['::ffff:10.0.0.1', '10.0.0.1'], true],
    // What is not an address is ignored: the address of the proxy counts.
    [1, ['unknown', '10.0.0.1, '], true],
    [1, ['10.0.0.1, _hidden', '"10.0.0.2"'], true],
    [1, ['10.0.0.1, 1.2.3', '10.0.0.2, 1.2.3.4.5:6'], true],
    [1, ['x10.0.0.1:80', '10.0.0.2:80x'], true],
    [1, ['x[2001:db8::1]:80', '[2001:db8:0:1::1]:80x'], true],
  ];
  for (const [trustProxy, headers, isSame] of rows) {
    const options = {
      limits: { triesPerAddress: 1 },
      now: () => 1e9,
      ...(trustProxy !== undefined && { trustProxy }),
    };
    await withApp(options, async ({ url }) => {
      const statuses = await inTurn(2, async (index) => {
        const credentials = { username: `user${index}`, password: 'wrong' };
        const forwarded = { 'X-Forwarded-For': headers[index] ?? '' };
        return (await send(`${url}/auth`, 'POST', credentials, forwarded)).status;
      });
      const expected = [401, isSame ? 429 : 401];
      assert.deepEqual(statuses, expected, `${trustProxy}: ${headers.join(' and ')}`);
    });
  }
});

test('a client without an address has none, and an address of another kind is a mistake', () => {
  for (const address of [undefined, null]) {
    assert.deepEqual(sourceOf(address), { address: undefined, network: undefined });
  }
  assert.deepEqual(sourceOf('192.0.2.1'), { address: '192.0.2.1', network: '192.0.2.1' });
  // Events show it, but all clients of a Unix socket have it.
  assert.deepEqual(sourceOf('unknown'), { address: 'unknown', network: undefined });
  // A program may pass a part of a header as it is.
  assert.deepEqual(sourceOf(''), { address: '', network: undefined });
  assert.deepEqual(sourceOf(' 192.0.2.1\t'), { address: ' 192.0.2.1\t', network: '192.0.2.1' });
  for (const address of [['192.0.2.1'], { address: '192.0.2.1' }, 5]) {
    assert.throws(
      () => Reflect.apply(sourceOf, undefined, [address]),
      { name: 'TypeError', message: /^"client.address" expected an address as a string, got / },
    );
  }
});
