/** A process of nginx, from Debian's package. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { emptyFolder } from '../support/run-command.ts';
import { freePort } from '../support/user-folder.ts';

/** Why the tests with nginx are skipped; false if it is installed. */
export const skipsNginx: string | false =
  spawnSync('nginx', ['-v']).error !== undefined && 'nginx is not installed';

const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

/**
 * Runs nginx on a free port for as long as `use` runs. Its workers have the user of the tests, to
 * which their folders belong.
 * @param http what is inside the block `http`; its `listen` is `PORT`
 */
export async function withNginx(
  http: string,
  use: (port: number) => Promise<unknown>,
): Promise<void> {
  const folder = await emptyFolder();
  const port = await freePort();
  await mkdir(join(folder, 'temporary'));
  const configuration = `
    daemon off;
    user ${userInfo().username};
    pid ${folder}/pid;
    error_log stderr notice;
    events {}
    http {
      access_log off;
      ${TEMPORARY.map((kind) => `${kind}_temp_path ${folder}/temporary/${kind};`).join('\n')}
      ${http.replace('PORT', `127.0.0.1:${port}`)}
    }`;
  await writeFile(join(folder, 'nginx.conf'), configuration);
  const args = ['-e', 'stderr', '-c', join(folder, 'nginx.conf')];
  const nginx = spawn('nginx', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(nginx, 'close');
  try {
    await started(nginx.stderr.setEncoding('utf8'));
    await use(port);
  } finally {
    nginx.kill();
    await ended;
  }
}

/** Waits for the line that nginx logs once it listens and has its workers. */
async function started(log: NodeJS.ReadableStream): Promise<void> {
  let text = '';
  await new Promise<void>((resolve, reject) => {
    log.on('data', (more) => {
      text += String(more);
      if (text.includes('start worker process ')) resolve();
    });
    log.on('end', () => reject(new Error(`nginx ended: ${text}`)));
  });
}
