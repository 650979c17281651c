// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.metrics;

/**
 * One scrape as text.
 *
 * @param contentType the format, as its {@code Content-Type}
 * @param text the text in UTF-8; owned by the receiver
 */
public record Exposition(String contentType, byte[] text) {}
