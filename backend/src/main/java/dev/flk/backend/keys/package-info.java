// SPDX-License-Identifier: Apache-2.0
/**
 * The keys file, which says which key may sign for which shard and when, and its reloading. Ingest calls {@link
 * dev.flk.backend.keys.Signatures}; the command line and the configuration call {@link dev.flk.backend.keys.KeysFile}. No
 * message contains a secret.
 */
@NullMarked
package dev.flk.backend.keys;

import org.jspecify.annotations.NullMarked;
