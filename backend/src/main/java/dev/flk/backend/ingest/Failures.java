// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.wal.DiskFullException;
import java.io.IOException;
import java.util.function.LongSupplier;

/** Which error a submission is answered with, and after how many seconds it is worth another try. */
final class Failures {
    private static final long SOON_SECONDS = 1;
    private static final long DISK_FULL_SECONDS = 10;

    private final LongSupplier storeSeconds;

    /** @param storeSeconds after how many seconds it is worth another try while the store can't be used */
    Failures(LongSupplier storeSeconds) {
        this.storeSeconds = storeSeconds;
    }

    Outcome ofLog(IOException cause) {
        return cause instanceof DiskFullException ? diskFull() : new Outcome.LogFailed();
    }

    Outcome diskFull() {
        return new Outcome.Unavailable(Outcome.Cause.DISK_FULL, DISK_FULL_SECONDS);
    }

    Outcome overloaded() {
        return new Outcome.Unavailable(Outcome.Cause.OVERLOADED, SOON_SECONDS);
    }

    Outcome storeDown() {
        return new Outcome.Unavailable(Outcome.Cause.STORE, storeSeconds.getAsLong());
    }

    Ingest.LookUp storeDownForLookUp() {
        return new Ingest.LookUp.Unavailable(Outcome.Cause.STORE, storeSeconds.getAsLong());
    }

    Ingest.LookUp overloadedForLookUp() {
        return new Ingest.LookUp.Unavailable(Outcome.Cause.OVERLOADED, SOON_SECONDS);
    }

    Ingest.LookUp undecided() {
        return new Ingest.LookUp.Unavailable(Outcome.Cause.UNDECIDED, SOON_SECONDS);
    }
}
