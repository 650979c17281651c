// SPDX-License-Identifier: Apache-2.0
/**
 * Servers that run as separate processes for the tests of all modules. They are packaged in a test jar, on which no
 * production code depends.
 */
package dev.flk.backend.testing;
