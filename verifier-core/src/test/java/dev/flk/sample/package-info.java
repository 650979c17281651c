// SPDX-License-Identifier: Apache-2.0
/**
 * Signed certificates for tests of every module: made well, changed on purpose. Built into a test jar; nothing of the product
 * depends on it.
 */
package dev.flk.sample;
