// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import java.time.Instant;
import java.util.Optional;
import javax.net.ssl.SSLContext;

/**
 * How connections to the backend are secured, where that is not left to the JDK.
 *
 * @param context whom it trusts, and what it shows
 * @param ownEnd until when the own certificate, and what it was shown with, is valid; empty if none is shown
 */
public record ClientTls(SSLContext context, Optional<Instant> ownEnd) {}
