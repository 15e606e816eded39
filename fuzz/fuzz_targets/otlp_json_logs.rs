#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| spanloom_fuzz::otlp_json_logs(body));
