// SPDX-License-Identifier: Apache-2.0
/**
 * The diagnosis of rejected signatures. A diagnosis tries the known mistakes of signers with the text, key, algorithm
 * and encoding, until they explain the signature. Commands that explain a rejection use {@link
 * dev.flk.diagnosis.SignatureDiagnosis}; submissions never do. Time and memory are bounded, and no key is ever
 * disclosed.
 */
@NullMarked
package dev.flk.diagnosis;

import org.jspecify.annotations.NullMarked;
