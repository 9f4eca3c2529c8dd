/** The entry point latchkey/store-contract: the tests that every store must pass. */
export { testSessionStore, type SessionStoreContractOptions } from './sessions/contract.ts';
export { testUserStore, type StoreContractOptions } from './users/contract.ts';
