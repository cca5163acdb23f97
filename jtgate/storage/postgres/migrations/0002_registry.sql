-- The registries, as storage/registry declares them; a test compares the columns. Each row is a version of what its key
-- names, in force from valid_from to before valid_to; versions of a key do not overlap, and at most one is open.
-- A field x_ms is the column x, a timestamptz.

CREATE TABLE vehicles ( -- 车辆
    plate text NOT NULL, -- 车牌号
    plate_color integer NOT NULL, -- 车牌颜色
    vehicle_kind text NOT NULL, -- 车辆种类
    enterprise text NOT NULL, -- 企业编码
    county text NOT NULL, -- 区县代码
    state text, -- 营运状态
    terminal text, -- 终端手机号
    terminal_installed_on date, -- 终端安装日期
    vin text, -- 车架号
    vehicle_type text, -- 车辆类型
    brand_model text, -- 厂牌型号
    registered_on date, -- 注册登记日期
    trailer_plate text, -- 挂车车牌号
    trailer_plate_color integer, -- 挂车车牌颜色
    tank text, -- 罐体编号
    certificate text, -- 道路运输证号
    certificate_valid_to date, -- 道路运输证有效期止
    reviewed_on date, -- 年审日期
    review_valid_to date, -- 年审有效期止
    inspection_valid_to date, -- 检验有效期止
    technical_grade integer, -- 技术等级
    grade_valid_to date, -- 技术等级有效期止
    rated_load_kg integer, -- 核定载质量
    curb_mass_kg integer, -- 整备质量
    gross_mass_kg integer, -- 总质量
    towed_mass_kg integer, -- 准牵引总质量
    permitted_classes jsonb, -- 许可类别
    permitted_un jsonb, -- 许可品名
    blacklisted boolean, -- 黑名单
    photos jsonb, -- 照片
    remark text, -- 备注
    valid_from timestamptz NOT NULL,
    valid_to timestamptz, -- NULL: open
    source text,
    imported timestamptz NOT NULL,
    PRIMARY KEY (plate, plate_color, valid_from),
    CHECK (valid_to > valid_from)
);
CREATE UNIQUE INDEX vehicles_open ON vehicles (plate, plate_color) WHERE valid_to IS NULL;
CREATE INDEX vehicles_in_force ON vehicles (valid_from, valid_to);
CREATE INDEX vehicles_terminal ON vehicles (terminal) WHERE terminal IS NOT NULL;
CREATE INDEX vehicles_enterprise ON vehicles (enterprise);
CREATE INDEX vehicles_tank ON vehicles (tank) WHERE tank IS NOT NULL;

CREATE TABLE persons ( -- 从业人员
    person text NOT NULL, -- 人员编码
    name text NOT NULL, -- 姓名
    id_number text, -- 身份证号
    phone text, -- 联系电话
    enterprise text, -- 企业编码
    county text, -- 区县代码
    state text, -- 从业状态
    roles jsonb NOT NULL, -- 岗位
    certificate text, -- 从业资格证号
    certificate_issuer text, -- 发证机关
    driver_valid_to date, -- 驾驶员资格有效期止
    escort_certificate text, -- 押运员资格证号
    escort_valid_to date, -- 押运员资格有效期止
    loader_valid_to date, -- 装卸管理资格有效期止
    permitted_classes jsonb, -- 许可类别
    licence text, -- 驾驶证号
    licence_classes jsonb, -- 准驾车型
    licence_valid_to date, -- 驾驶证有效期止
    learner_until date, -- 实习期止
    medical_on date, -- 体检日期
    medical_valid_to date, -- 体检有效期止
    born_on date, -- 出生日期
    contract_valid_to date, -- 劳动合同有效期止
    integrity_grade text, -- 诚信考核等级
    integrity_on date, -- 诚信考核日期
    blacklisted boolean, -- 黑名单
    location_consent boolean, -- 位置比对同意
    photo_path text, -- 人脸照片
    photo_sha256 text, -- 人脸照片摘要
    remark text, -- 备注
    valid_from timestamptz NOT NULL,
    valid_to timestamptz, -- NULL: open
    source text,
    imported timestamptz NOT NULL,
    PRIMARY KEY (person, valid_from),
    CHECK (valid_to > valid_from)
);
CREATE UNIQUE INDEX persons_open ON persons (person) WHERE valid_to IS NULL;
CREATE INDEX persons_in_force ON persons (valid_from, valid_to);
CREATE INDEX persons_certificate ON persons (certificate) WHERE certificate IS NOT NULL;
CREATE INDEX persons_id_number ON persons (id_number) WHERE id_number IS NOT NULL;
CREATE INDEX persons_enterprise ON persons (enterprise) WHERE enterprise IS NOT NULL;

CREATE TABLE enterprises ( -- 企业
    enterprise text NOT NULL, -- 企业编码
    name text NOT NULL, -- 企业名称
    county text NOT NULL, -- 区县代码
    credit_code text, -- 统一社会信用代码
    state text, -- 经营状态
    permit text, -- 道路运输经营许可证号
    permit_valid_to date, -- 经营许可证有效期止
    permitted_classes jsonb, -- 许可类别
    permitted_un jsonb, -- 许可品名
    address text, -- 地址
    legal_person text, -- 法定代表人
    safety_manager text, -- 安全负责人
    safety_manager_phone text, -- 安全负责人电话
    duty_phone text, -- 值班电话
    monitor_count integer, -- 专职监控员人数
    yard_zone text, -- 停车场区域
    yard_area_m2 double precision, -- 停车场面积
    yard_valid_to date, -- 停车场使用期止
    platform_code bigint, -- 平台接入码
    monitored_by text, -- 第三方监控机构
    monitored_from date, -- 第三方监控合同起
    monitored_valid_to date, -- 第三方监控合同止
    blacklisted boolean, -- 黑名单
    remark text, -- 备注
    valid_from timestamptz NOT NULL,
    valid_to timestamptz, -- NULL: open
    source text,
    imported timestamptz NOT NULL,
    PRIMARY KEY (enterprise, valid_from),
    CHECK (valid_to > valid_from)
);
CREATE UNIQUE INDEX enterprises_open ON enterprises (enterprise) WHERE valid_to IS NULL;
CREATE INDEX enterprises_in_force ON enterprises (valid_from, valid_to);

CREATE TABLE tanks ( -- 罐体
    tank text NOT NULL, -- 罐体编号
    tank_kind text NOT NULL, -- 罐体类别
    enterprise text, -- 企业编码
    county text, -- 区县代码
    state text, -- 使用状态
    design_code text, -- 罐体设计代码
    volume_m3 double precision, -- 罐体容积
    filling_max_kg integer, -- 最大允许充装量
    media_un jsonb, -- 适装介质UN编号
    media jsonb, -- 适装介质
    made_on date, -- 制造日期
    maker text, -- 制造单位
    report text, -- 检验报告号
    inspected_by text, -- 检验机构
    inspected_on date, -- 检验日期
    report_valid_to date, -- 检验有效期止
    inspection_next_on date, -- 下次检验日期
    remark text, -- 备注
    valid_from timestamptz NOT NULL,
    valid_to timestamptz, -- NULL: open
    source text,
    imported timestamptz NOT NULL,
    PRIMARY KEY (tank, valid_from),
    CHECK (valid_to > valid_from)
);
CREATE UNIQUE INDEX tanks_open ON tanks (tank) WHERE valid_to IS NULL;
CREATE INDEX tanks_in_force ON tanks (valid_from, valid_to);

CREATE TABLE policies ( -- 保险
    policy text NOT NULL, -- 保单号
    policy_kind text NOT NULL, -- 险种
    insurer text NOT NULL, -- 保险公司
    enterprise text NOT NULL, -- 企业编码
    plate text, -- 车牌号
    plate_color integer, -- 车牌颜色
    state text NOT NULL, -- 保单状态
    begins_on date NOT NULL, -- 保险起期
    ends_on date NOT NULL, -- 保险止期
    issued_on date, -- 签单日期
    surrendered_on date, -- 退保日期
    accident_sum_yuan integer, -- 每次事故责任限额
    total_sum_yuan integer, -- 累计责任限额
    covered_classes jsonb, -- 承保类别
    remark text, -- 备注
    valid_from timestamptz NOT NULL,
    valid_to timestamptz, -- NULL: open
    source text,
    imported timestamptz NOT NULL,
    PRIMARY KEY (policy, valid_from),
    CHECK (valid_to > valid_from)
);
CREATE UNIQUE INDEX policies_open ON policies (policy) WHERE valid_to IS NULL;
CREATE INDEX policies_in_force ON policies (valid_from, valid_to);
CREATE INDEX policies_plate ON policies (plate, plate_color) WHERE plate IS NOT NULL;
CREATE INDEX policies_enterprise ON policies (enterprise);

CREATE TABLE waybills ( -- 电子运单
    waybill text NOT NULL, -- 运单号
    state text NOT NULL, -- 运单状态
    revision integer, -- 版本
    created timestamptz, -- 制单时间
    plan_depart timestamptz, -- 计划出发时间
    depart timestamptz, -- 实际出发时间
    plan_arrive timestamptz, -- 计划到达时间
    arrive timestamptz, -- 实际到达时间
    urban_delivery boolean, -- 城市配送
    consignor text, -- 托运人
    consignor_phone text, -- 托运人电话
    loader text, -- 装货人
    loader_phone text, -- 装货人电话
    consignee text, -- 收货人
    consignee_phone text, -- 收货人电话
    load_address text, -- 装货地址
    load_latitude double precision, -- 装货纬度
    load_longitude double precision, -- 装货经度
    load_zone text, -- 装货区域
    unload_address text, -- 卸货地址
    unload_latitude double precision, -- 卸货纬度
    unload_longitude double precision, -- 卸货经度
    unload_zone text, -- 卸货区域
    enterprise text, -- 企业编码
    carrier text, -- 承运人
    carrier_permit text, -- 承运人许可证号
    carrier_phone text, -- 承运人电话
    county text, -- 区县代码
    plate text NOT NULL, -- 车牌号
    plate_color integer NOT NULL, -- 车牌颜色
    certificate text, -- 道路运输证号
    trailer_plate text, -- 挂车车牌号
    trailer_plate_color integer, -- 挂车车牌颜色
    trailer_certificate text, -- 挂车道路运输证号
    tank text, -- 罐体编号
    tank_volume_m3 double precision, -- 罐体容积
    drivers jsonb, -- 驾驶员
    escorts jsonb, -- 押运员
    goods jsonb, -- 货物
    full_load boolean, -- 是否满载
    route jsonb, -- 计划路线, GeoJSON
    distance_km double precision, -- 运输距离
    route_permit text, -- 通行证号
    dispatcher text, -- 调度员
    dispatched timestamptz, -- 调度时间
    source_datum text, -- 原始坐标系
    remark text, -- 备注
    valid_from timestamptz NOT NULL,
    valid_to timestamptz, -- NULL: open
    source text,
    imported timestamptz NOT NULL,
    PRIMARY KEY (waybill, valid_from),
    CHECK (valid_to > valid_from)
);
CREATE UNIQUE INDEX waybills_open ON waybills (waybill) WHERE valid_to IS NULL;
CREATE INDEX waybills_in_force ON waybills (valid_from, valid_to);
CREATE INDEX waybills_plate ON waybills (plate, plate_color, plan_depart);
CREATE INDEX waybills_trailer_plate ON waybills (trailer_plate, trailer_plate_color, plan_depart) WHERE trailer_plate IS NOT NULL;
CREATE INDEX waybills_tank ON waybills (tank) WHERE tank IS NOT NULL;

CREATE TABLE zones ( -- 区域
    zone text NOT NULL, -- 区域编号
    name text NOT NULL, -- 区域名称
    zone_kind text NOT NULL, -- 区域类型
    county text, -- 区县代码
    geometry jsonb NOT NULL, -- 几何图形, GeoJSON
    radius_m double precision, -- 半径
    width_m double precision, -- 宽度
    source_datum text, -- 原始坐标系
    windows jsonb, -- 生效时段
    goods_classes jsonb, -- 限制类别
    speed_limit_kmh double precision, -- 限速
    capacity integer, -- 容量
    capacity_by_class jsonb, -- 分类容量
    stay_limit_min integer, -- 停留时限
    park text, -- 所属园区
    enterprise text, -- 企业编码
    contact text, -- 联系人
    contact_phone text, -- 联系人电话
    remark text, -- 备注
    valid_from timestamptz NOT NULL,
    valid_to timestamptz, -- NULL: open
    source text,
    imported timestamptz NOT NULL,
    PRIMARY KEY (zone, valid_from),
    CHECK (valid_to > valid_from)
);
CREATE UNIQUE INDEX zones_open ON zones (zone) WHERE valid_to IS NULL;
CREATE INDEX zones_in_force ON zones (valid_from, valid_to);
CREATE INDEX zones_zone_kind ON zones (zone_kind);
