// SPDX-License-Identifier: Apache-2.0
/**
 * Signed certificates, valid or deliberately broken, for the tests of all modules. They are built into a test jar, on
 * which the product does not depend.
 */
package dev.flk.sample;
