// SPDX-License-Identifier: Apache-2.0
/**
 * The audit log: who did or tried what, when, and from where. {@link dev.flk.backend.audit.AuditLog} is what a running backend writes,
 * {@link dev.flk.backend.audit.OperationsFile} what operators' commands write too, {@link dev.flk.backend.audit.AuditReader} reads
 * both. What strangers can cause is bounded, and in a file of its own, so that it pushes nothing else out.
 */
@NullMarked
package dev.flk.backend.audit;

import org.jspecify.annotations.NullMarked;
