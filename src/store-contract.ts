/** The entry point latchkey/store-contract: the tests that a user store must pass. */
export { testUserStore, type StoreContractOptions } from './users/contract.ts';
