// SPDX-License-Identifier: Apache-2.0
/**
 * The check of signatures, with keys from the configuration or from a keys file, which limits each key to shards and
 * times. Ingest calls {@link dev.flk.backend.keys.Signatures}; the command line and the configuration call {@link
 * dev.flk.backend.keys.KeysFile}. No message contains a secret.
 */
@NullMarked
package dev.flk.backend.keys;

import org.jspecify.annotations.NullMarked;
