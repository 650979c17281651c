// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing.message;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.signing.Ed25519Signer;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.SignatureCheck;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Function;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Generated requests: each is accepted as it was signed, and refused after any change. The seed is fixed. */
class ChangedRequestTest {
    private static final String SECRET = "a secret of the test, long enough";
    private static final SignatureCheck HMAC = SignatureCheck.hmac(List.of(SECRET));
    private static final Ed25519Signer ED25519 = new Ed25519Signer(new byte[32]);
    private static final String PATH_CHARS = "abz09-._~!$&'()*+,;=:@/%";
    private static final String TEXT_CHARS = "abzAZ09 \"'\\/:;,=()[]{}<>*+-_.!#$%&?@^`|~";

    private final Random random = new Random(20261120);

    @Test
    void verify_anyChange_isRefused() {
        changeGenerated(40, 25);
    }

    @Test
    @Tag("thorough")
    void verify_manyChanges_areRefused() {
        changeGenerated(300, 50);
    }

    private void changeGenerated(int requests, int changes) {
        for (int i = 0; i < requests; i++) {
            boolean isHmac = random.nextBoolean();
            SentRequest signed = generated()
                    .signedBy(
                            isHmac ? new HmacSigner(SECRET) : ED25519,
                            Instant.ofEpochSecond(random.nextInt(Integer.MAX_VALUE)),
                            text(TEXT_CHARS.replaceAll("[\"\\\\]", ""), 1, 64));
            SignatureCheck check = isHmac ? HMAC : SignatureCheck.ed25519(List.of(ED25519.publicKeyBase64()));
            assertThat(isAccepted(signed, check)).as(signed.toString()).isTrue();
            for (Function<SentRequest, SentRequest> part : parts(signed)) {
                for (int j = 0; j < changes; j++) {
                    SentRequest changed = part.apply(signed);
                    assertThat(isAccepted(changed, check))
                            .as("%s, changed from %s", changed, signed)
                            .isFalse();
                }
            }
        }
    }

    private SentRequest generated() {
        boolean hasBody = random.nextBoolean();
        SentRequest request = SentRequest.of(
                        List.of("GET", "PUT", "DELETE").get(random.nextInt(3)),
                        "/" + text(PATH_CHARS, 0, 40)
                                + (random.nextBoolean() ? "?" + text(PATH_CHARS + "?", 0, 40) : ""))
                .withBody(hasBody ? bytes(1 + random.nextInt(200)) : "");
        for (String name : List.of("if-match", "if-none-match", "last-event-id", "x-other")) {
            if (random.nextBoolean()) {
                request = request.with(name, ("a" + text(TEXT_CHARS, 0, 30) + "z"));
            }
        }
        return request;
    }

    /** Returns a random change for each part of a request, including the addition and the removal of headers. */
    private List<Function<SentRequest, SentRequest>> parts(SentRequest signed) {
        List<Function<SentRequest, SentRequest>> parts = new ArrayList<>();
        parts.add(request -> request.withMethod(changed(request.method())));
        parts.add(request -> request.withTarget(changed(request.target())));
        parts.add(request -> request.withBody(changed(request.body())));
        for (String name : signed.headers().keySet()) {
            parts.add(request -> request.with(name, changed(request.header(name))));
            parts.add(request -> request.without(name));
            parts.add(request -> request.with(name, request.header(name), request.header(name)));
        }
        for (String name : List.of("content-digest", "if-match", "if-none-match", "last-event-id")) {
            if (!signed.headers().containsKey(name)) {
                parts.add(request -> request.with(name, text(TEXT_CHARS, 0, 20)));
            }
        }
        return parts;
    }

    private static boolean isAccepted(SentRequest request, SignatureCheck check) {
        try {
            return request.parse().verifiedBy(check);
        } catch (UnacceptableRequest e) {
            return false;
        }
    }

    /** Replaces, inserts or removes one byte. Inserts no space, because spaces around a header do not matter. */
    private String changed(String text) {
        StringBuilder changed = new StringBuilder(text);
        do {
            changed.replace(0, changed.length(), text);
            char any = (char) random.nextInt(256);
            int at = random.nextInt(text.length() + 1);
            if (at == text.length() || random.nextInt(4) == 0) {
                changed.insert(at, any == ' ' ? 'x' : any);
            } else if (random.nextInt(4) == 0) {
                changed.deleteCharAt(at);
            } else {
                changed.setCharAt(at, any);
            }
        } while (changed.toString().equals(text));
        return changed.toString();
    }

    private String text(String alphabet, int leastChars, int mostChars) {
        StringBuilder text = new StringBuilder();
        int chars = leastChars + random.nextInt(mostChars - leastChars + 1);
        for (int i = 0; i < chars; i++) {
            text.append(alphabet.charAt(random.nextInt(alphabet.length())));
        }
        return text.toString();
    }

    /** Returns random bytes, one per character. */
    private String bytes(int length) {
        StringBuilder bytes = new StringBuilder();
        for (int i = 0; i < length; i++) {
            bytes.append((char) random.nextInt(256));
        }
        return bytes.toString();
    }
}
