// SPDX-License-Identifier: Apache-2.0
/** Connections, migrations, checks, metrics and failure messages for the stores on a Postgres server. */
@NullMarked
package dev.flk.backend.stores.postgres;

import org.jspecify.annotations.NullMarked;
