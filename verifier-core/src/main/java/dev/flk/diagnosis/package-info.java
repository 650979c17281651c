/**
 * The diagnosis of rejected signatures: it serialises the certificate again in the ways in which signers get it wrong,
 * until one matches the signature. Commands that explain a rejection use {@link dev.flk.diagnosis.SignatureDiagnosis};
 * submissions never do. Time and memory are bounded, and no key is ever disclosed.
 */
@NullMarked
package dev.flk.diagnosis;

import org.jspecify.annotations.NullMarked;
