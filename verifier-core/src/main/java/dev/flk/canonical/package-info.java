/**
 * The text that is signed: how a real is rounded and printed, how a string is escaped, which fields stand in which order,
 * and the hash that all else is built on. Anyone may call in; nothing here knows of certificates, keys or verdicts.
 */
@NullMarked
package dev.flk.canonical;

import org.jspecify.annotations.NullMarked;
