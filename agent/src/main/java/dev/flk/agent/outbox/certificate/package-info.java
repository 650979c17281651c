// SPDX-License-Identifier: Apache-2.0
/**
 * Certificates before they are in the outbox, as JSON text: how long one may be, how to read and change members without
 * parsing the others, and the interface of what accepts them. Any package of the agent may use this one, which knows no
 * other package.
 */
@NullMarked
package dev.flk.agent.outbox.certificate;

import org.jspecify.annotations.NullMarked;
