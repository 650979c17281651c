// SPDX-License-Identifier: Apache-2.0
/**
 * Servers that the tests of every module use, as separate processes. Built into a test jar, on which nothing of the
 * product depends.
 */
package dev.flk.backend.testing;
