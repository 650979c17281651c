// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.tls;

import dev.flk.backend.files.FileFingerprints;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * Where the parts of TLS are, each in PEM.
 *
 * @param certificate of the backend, followed by those that lead to an authority ({@code TLS_CERT})
 * @param key of that certificate, without a password ({@code TLS_KEY})
 * @param clientAuthorities whose certificates clients must show ({@code TLS_CLIENT_CA}); empty: clients show none
 */
public record TlsFiles(Path certificate, Path key, Optional<Path> clientAuthorities) {
    /**
     * Reads them for nothing but what is wrong.
     *
     * @throws InvalidTlsException with all of it
     */
    public void check() throws InvalidTlsException {
        TlsIdentity unused = TlsIdentity.read(this, new FileFingerprints());
    }

    /** The files of TLS have mistakes. */
    public static final class InvalidTlsException extends Exception {
        private static final long serialVersionUID = 1;

        private final transient List<String> problems;

        InvalidTlsException(List<String> problems) {
            super(String.join("; ", problems));
            this.problems = List.copyOf(problems);
        }

        /** Each of them, beginning with the setting and the file; none with a key. */
        public List<String> problems() {
            return problems;
        }
    }
}
