// SPDX-License-Identifier: Apache-2.0
/**
 * Servers that tests of every module need, as processes of their own. Built into a test jar; nothing of the product depends on
 * it.
 */
package dev.flk.backend.testing;
