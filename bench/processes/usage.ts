/** Loaded into a command (`node --import`), which then answers each message with its usage. */
import { usageNow } from './hello-child.ts';

process.on('message', () => process.send?.(usageNow()));
process.channel?.unref();
