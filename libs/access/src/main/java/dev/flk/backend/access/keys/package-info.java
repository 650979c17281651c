// SPDX-License-Identifier: Apache-2.0
/**
 * The check of signatures. The keys come from the configuration or from a keys file; a keys file limits each key to
 * certain shards and to a period of time. The packages {@code ingest} and {@code sessions} call {@link
 * dev.flk.backend.access.keys.Signatures}; the commands and {@code SigningConfig} call {@link dev.flk.backend.access.keys.KeysFile}. No
 * message contains a secret.
 */
@NullMarked
package dev.flk.backend.access.keys;

import org.jspecify.annotations.NullMarked;
