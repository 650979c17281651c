// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.concurrent.CompletionException;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLHandshakeException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TlsMessagesTest {
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            PKIX path building failed: unable to find valid certification path to requested target | set TLS_CA_FILE
            No subject alternative DNS name matching localhost found.                | not for the host of ENDPOINT
            No name matching localhost found                                         | not for the host of ENDPOINT
            PKIX path validation failed: validity check failed                       | has expired, or is not valid yet
            NotAfter: Fri Nov 20 03:00:00 UTC 2026                                   | has expired, or is not valid yet
            Received fatal alert: bad_certificate                                    | set TLS_CERT_FILE and TLS_KEY_FILE
            Received fatal alert: certificate_required                               | set TLS_CERT_FILE and TLS_KEY_FILE
            (certificate_unknown) Received fatal alert: certificate_unknown          | set TLS_CERT_FILE and TLS_KEY_FILE
            Received fatal alert: protocol_version                                   | TLS 1.2 and 1.3
            Unsupported or unrecognized SSL message                                  | does not speak TLS
            something new                                                            | check TLS_CA, TLS_CERT and TLS_KEY
            """)
    void what_tlsFailure_givesAdviceAndQuotesTheMessage(String said, String meant) {
        assertThat(TlsMessages.what(new CompletionException(new SSLHandshakeException(said))))
                .get()
                .asString()
                .startsWith("TLS fails: ")
                .contains(meant)
                .endsWith("(" + said + ")");
    }

    @Test
    void what_otherFailure_isEmpty() {
        assertThat(TlsMessages.what(new IOException("bad_certificate"))).isEmpty();
        assertThat(TlsMessages.what(null)).isEmpty();
    }

    @Test
    void what_longMessage_isShortened() {
        assertThat(TlsMessages.what(new SSLException("x".repeat(5_000))))
                .get()
                .asString()
                .hasSizeLessThan(300);
    }
}
