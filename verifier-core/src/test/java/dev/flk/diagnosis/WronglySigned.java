// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.diagnosis.KeyRing.NamedKey;
import dev.flk.signing.SignatureCheck;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.util.Base64;
import java.util.List;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * A certificate with its canonical form, for tests in which another text was signed instead. The numbers of the
 * certificate (an integer, an exponent, more than nine decimals, a tie) ensure that each mistake that concerns numbers
 * changes the text.
 */
final class WronglySigned {
    static final String SECRET = "a shared secret";

    private static final String ID = "1e42f467ce0381bff2c8a19b8940553f00ef4230640d1002e85b39950162f394";
    private static final String ROOT = "5a".repeat(32);

    static final String CANONICAL = text("{'D_hat':1.23456789,'budget':0.123456788,'coh_star':1.0,'epoch':7,"
            + "'merkle_root':ROOT,'pcs_id':ID,'r':1.2346e-05,'shard_id':'Z\\u00fcrich/1 <&> \\ud83c\\udf0b'}");

    private static final String UNSIGNED = "{'pcs_id':ID,'schema':'fractal-lba-kakeya','version':'0.1',"
            + "'shard_id':'Zürich/1 <&> 🌋','epoch':7,'attempt':1,'sent_at':'2026-01-19T10:30:45Z',"
            + "'scales':[2,4,8,16],'N_j':{'2':5,'4':10,'8':20,'16':40},'coh_star':1,'D_hat':1.23456789012345,"
            + "'r':1.234567891e-05,'regime':'mixed','budget':0.1234567885,'merkle_root':ROOT,'sig':'SIG'}";

    private WronglySigned() {}

    /** Expands a template: apostrophes become quotes, pilcrows become line feeds, and the long values are inserted. */
    static String text(String template) {
        return template.replace('\'', '"')
                .replace('¶', '\n')
                .replace("ROOT", '"' + ROOT + '"')
                .replace("ID", '"' + ID + '"');
    }

    /** Returns the certificate with this signature. */
    static byte[] certificate(String sig) {
        return text(UNSIGNED).replace("SIG", sig).getBytes(StandardCharsets.UTF_8);
    }

    static Diagnosis diagnose(String sig, SignatureCheck check, NamedKey... others) throws MalformedCertificate {
        byte[] body = certificate(sig);
        return new SignatureDiagnosis(check, List.of(others)).of(body, CertificateReader.parse(body));
    }

    static byte[] hmac(String algorithm, byte[] key, byte[] message) {
        try {
            Mac mac = Mac.getInstance(algorithm);
            mac.init(new SecretKeySpec(key, algorithm));
            return mac.doFinal(message);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String base64(byte[] bytes) {
        return Base64.getEncoder().encodeToString(bytes);
    }
}
