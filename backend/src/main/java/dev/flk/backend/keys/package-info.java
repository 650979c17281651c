// SPDX-License-Identifier: Apache-2.0
/**
 * Who may sign for which shard, and when: the keys file, read and read again, and written by commands. Ingest asks {@link
 * dev.flk.backend.keys.Signatures}, the command line and the configuration {@link dev.flk.backend.keys.KeysFile}. No message contains a
 * secret.
 */
@NullMarked
package dev.flk.backend.keys;

import org.jspecify.annotations.NullMarked;
