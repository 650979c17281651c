// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import dev.flk.signing.SuspectKey;

/**
 * A key that is not the one to sign with, but may have been used.
 *
 * @param name where it comes from: a file, a setting
 */
public record NamedKey(String name, SuspectKey key) {}
