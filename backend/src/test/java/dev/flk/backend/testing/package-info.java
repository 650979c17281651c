// SPDX-License-Identifier: Apache-2.0
/**
 * Servers that run as separate processes, and helpers such as {@code TestAuthority}, for the tests of backend and e2e.
 * They are packaged in a test jar, on which no production code depends.
 */
package dev.flk.backend.testing;
